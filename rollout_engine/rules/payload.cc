#include "rollout_engine/rules/payload.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <array>
#include <charconv>
#include <utility>

#include "common/base/utf8.h"

namespace sluice {
namespace {

using JsonNode = rapidjson::Value;

// Iterative: no depth of a hostile payload reaches the stack.
constexpr unsigned kParseFlags =
    rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
constexpr std::size_t kPoolBytes = 4'096;  // enough for most payloads without an allocation
constexpr double kExactIntegerMax = 9'007'199'254'740'992;

std::string_view TextOf(const JsonNode& node) { return {node.GetString(), node.GetStringLength()}; }

Value ValueOf(const JsonNode& node) {
  if (node.IsNull()) return {.kind = Value::Kind::kNull};
  if (node.IsBool()) return Value::Bool(node.GetBool());
  if (node.IsNumber()) return Value::Number(node.GetDouble());
  if (node.IsString()) return Value::Text(TextOf(node));
  return {.kind = node.IsArray() ? Value::Kind::kList : Value::Kind::kMap, .node = &node};
}

const JsonNode& NodeOf(const Value& value) { return *static_cast<const JsonNode*>(value.node); }

std::string NumberText(double number) {
  std::array<char, 32> text;
  const bool whole = number > -kExactIntegerMax && number < kExactIntegerMax &&
                     number == static_cast<double>(static_cast<std::int64_t>(number));
  const auto end = whole ? std::to_chars(text.data(), text.data() + text.size(),
                                         static_cast<std::int64_t>(number))
                         : std::to_chars(text.data(), text.data() + text.size(), number);
  return {text.data(), end.ptr};
}

std::string QuotedText(std::string_view text) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace

struct Payload::Document {
  using Pool = rapidjson::MemoryPoolAllocator<>;
  std::array<char, kPoolBytes> bytes;
  Pool pool{bytes.data(), bytes.size()};
  rapidjson::GenericDocument<rapidjson::UTF8<>, Pool> json{&pool};
};

Payload::Payload() = default;
Payload::Payload(Payload&&) noexcept = default;
Payload& Payload::operator=(Payload&&) noexcept = default;
Payload::~Payload() = default;

Result<Payload> Payload::ParseJson(std::string_view bytes) {
  Payload payload;
  payload.document_ = std::make_unique_for_overwrite<Document>();  // the pool needs no zeros
  auto& json = payload.document_->json;
  json.Parse<kParseFlags>(bytes.data(), bytes.size());
  if (json.HasParseError()) {
    return Fail(ErrorCode::kRuleValue, "the payload is no JSON at byte " +
                                           std::to_string(json.GetErrorOffset() + 1) +
                                           "; mend its sender, or say format: text");
  }
  payload.root_ = ValueOf(json);
  return payload;
}

Result<Payload> Payload::FromText(std::string_view bytes) {
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t length = Utf8SequenceLength(rest);
    if (length == 0) {
      return Fail(ErrorCode::kRuleValue, "the payload is not UTF-8; mend its sender");
    }
    rest.remove_prefix(length);
  }
  Payload payload;
  payload.root_ = Value::Text(bytes);
  return payload;
}

Value Payload::Member(const Value& of, std::string_view key) noexcept {
  if (of.kind != Value::Kind::kMap) return {};
  const JsonNode name(rapidjson::StringRef(key.data(), key.size()));
  const auto found = NodeOf(of).FindMember(name);
  return found == NodeOf(of).MemberEnd() ? Value{} : ValueOf(found->value);
}

Value Payload::Element(const Value& of, std::size_t index) noexcept {
  if (of.kind != Value::Kind::kList || index >= NodeOf(of).Size()) return {};
  return ValueOf(NodeOf(of)[static_cast<rapidjson::SizeType>(index)]);
}

bool Payload::Contains(const Value& list, const Value& value) noexcept {
  if (list.kind != Value::Kind::kList) return false;
  for (const JsonNode& element : NodeOf(list).GetArray()) {
    if (AreEqual(ValueOf(element), value)) return true;
  }
  return false;
}

bool AreEqual(const Value& a, const Value& b) noexcept {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Value::Kind::kNull:
      return true;
    case Value::Kind::kBool:
      return a.truth == b.truth;
    case Value::Kind::kNumber:
      return a.number == b.number;
    case Value::Kind::kText:
      return a.text == b.text;
    default:
      return false;
  }
}

std::string ScalarText(const Value& value) {
  if (value.kind == Value::Kind::kText) return std::string(value.text);
  return JsonText(value);
}

std::string JsonText(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kMissing:
      return "missing";
    case Value::Kind::kNull:
      return "null";
    case Value::Kind::kBool:
      return value.truth ? "true" : "false";
    case Value::Kind::kNumber:
      return NumberText(value.number);
    case Value::Kind::kText:
      return QuotedText(value.text);
    case Value::Kind::kList:
      return "[" + std::to_string(NodeOf(value).Size()) + " elements]";
    case Value::Kind::kMap:
      return "{" + std::to_string(NodeOf(value).MemberCount()) + " members}";
  }
  return "";
}

}  // namespace sluice
