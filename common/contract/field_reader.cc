#include "common/contract/field_reader.h"

#include <algorithm>

#include "common/base/utf8.h"
#include "common/contract/limits.h"
#include "common/contract/topics.h"

namespace sluice {
namespace {

constexpr std::string_view kRegistryIdRule = "allowed [A-Za-z0-9._-]{1,64}, not starting with '.'";

std::string_view View(const flatbuffers::String* text) {
  return text == nullptr ? std::string_view{} : std::string_view(text->c_str(), text->size());
}

bool IsOptionalRegistryId(std::string_view text) noexcept {
  return text.empty() || IsRegistryId(text);
}

bool IsDigit(char c) noexcept { return c >= '0' && c <= '9'; }

bool IsOptionalVersion(std::string_view text) noexcept {
  if (text.empty()) return true;
  int parts = 1;
  int digits = 0;
  for (const char c : text) {
    if (c == '.' && digits > 0) {
      ++parts;
      digits = 0;
    } else if (!IsDigit(c) || ++digits > 5) {
      return false;
    }
  }
  return parts == 3 && digits > 0;
}

bool IsOptionalCode(std::string_view text) noexcept {
  if (text.empty()) return true;
  if (text.size() > limits::kIdMax || !(text.starts_with("E_") || text.starts_with("W_"))) {
    return false;
  }
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_'; });
}

}  // namespace

void FieldReader::Require(bool holds, std::string_view field, std::string_view rule) {
  if (holds || !status_) return;
  status_ = Fail(code_, message_ + "." + std::string(field) + ": " + std::string(rule));
}

std::string FieldReader::Checked(std::string_view field, const flatbuffers::String* text,
                                 bool (*accepts)(std::string_view) noexcept,
                                 std::string_view rule) {
  const bool accepted = accepts(View(text));
  Require(accepted, field, rule);
  return accepted ? std::string(View(text)) : std::string();
}

std::string FieldReader::RegistryId(std::string_view field, const flatbuffers::String* text) {
  return Checked(field, text, IsRegistryId, kRegistryIdRule);
}

std::string FieldReader::OptionalRegistryId(std::string_view field,
                                            const flatbuffers::String* text) {
  return Checked(field, text, IsOptionalRegistryId, kRegistryIdRule);
}

std::string FieldReader::Identity(std::string_view field, const flatbuffers::String* text) {
  return Checked(field, text, IsTopicLevel, "allowed [A-Za-z0-9_-]{1,64}");
}

std::string FieldReader::OptionalVersion(std::string_view field, const flatbuffers::String* text) {
  return Checked(field, text, IsOptionalVersion, "a version has the form 1.2.3");
}

std::string FieldReader::OptionalCode(std::string_view field, const flatbuffers::String* text) {
  return Checked(field, text, IsOptionalCode, "a code has the form E_NAME");
}

std::string FieldReader::Line(std::string_view field, const flatbuffers::String* text,
                              std::size_t bytes_max) {
  const std::string_view view = View(text);
  const bool accepted = view.size() <= bytes_max && IsPrintableLine(view);
  Require(accepted, field,
          "one line of UTF-8 without control characters, at most " + std::to_string(bytes_max) +
              " bytes");
  return accepted ? std::string(view) : std::string();
}

Digest FieldReader::Digest(std::string_view field, const wire::Digest* digest) {
  const sluice::Digest value = OptionalDigest(digest);
  Require(!value.IsZero(), field, "a digest is needed here");
  return value;
}

Digest FieldReader::OptionalDigest(const wire::Digest* digest) {
  sluice::Digest value;
  if (digest != nullptr) std::copy_n(digest->bytes()->data(), Digest::kSize, value.bytes.begin());
  return value;
}

std::array<std::uint8_t, 16> FieldReader::Token(std::string_view field, const wire::Token* token) {
  std::array<std::uint8_t, 16> value{};
  Require(token != nullptr, field, "16 bytes are needed here");
  if (token != nullptr) std::copy_n(token->bytes()->data(), value.size(), value.begin());
  return value;
}

SequenceNumber FieldReader::Number(std::string_view field, const wire::SequenceNumber* number) {
  const SequenceNumber value = OptionalNumber(number);
  Require(value.epoch > 0, field, "a number with an engine epoch is needed here");
  return value;
}

SequenceNumber FieldReader::OptionalNumber(const wire::SequenceNumber* number) {
  if (number == nullptr) return {};
  return {number->epoch(), number->seq()};
}

std::int64_t FieldReader::TimeMs(std::string_view field, std::int64_t ms) {
  return Within(field, ms, 0, limits::kTimeMsMax);
}

double FieldReader::Within(std::string_view field, double value, double low, double high) {
  const bool accepted = std::isfinite(value) && value >= low && value <= high;
  Require(accepted, field, "not within " + std::to_string(low) + ".." + std::to_string(high));
  return accepted ? value : 0;
}

std::vector<std::string> FieldReader::RegistryIds(
    std::string_view field,
    const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* list,
    std::size_t count_min, std::size_t count_max) {
  std::vector<std::string> ids;
  std::set<std::string> seen;
  for (const flatbuffers::String* text : List(field, list, count_min, count_max)) {
    ids.push_back(RegistryId(field, text));
    Unique(field, seen, ids.back());
  }
  return ids;
}

}  // namespace sluice
