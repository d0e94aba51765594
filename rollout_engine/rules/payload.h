// The payload of one message as values: JSON that was read once, or plain text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/bytes.h"

namespace sluice {

/// What an expression computes with. `text` and `node` point into the payload, topic or rule that
/// they came from and live as long as that.
struct Value {
  enum class Kind : std::uint8_t { kMissing, kNull, kBool, kNumber, kText, kList, kMap };
  Kind kind = Kind::kMissing;
  bool truth = false;          // kBool
  double number = 0;           // kNumber: JSON's integers are exact up to 2^53
  std::string_view text{};     // kText
  const void* node = nullptr;  // kList, kMap: of the Payload

  static Value Bool(bool truth) { return {.kind = Kind::kBool, .truth = truth}; }
  static Value Number(double number) { return {.kind = Kind::kNumber, .number = number}; }
  static Value Text(std::string_view text) { return {.kind = Kind::kText, .text = text}; }
  [[nodiscard]] bool IsMissing() const { return kind == Kind::kMissing; }
  [[nodiscard]] bool IsTrue() const { return kind == Kind::kBool && truth; }
  [[nodiscard]] bool IsScalar() const {
    return kind == Kind::kNull || kind == Kind::kBool || kind == Kind::kNumber ||
           kind == Kind::kText;
  }
};

/// Equal kind and content; lists, maps and what is missing equal nothing.
bool AreEqual(const Value& a, const Value& b) noexcept;
/// A scalar as a template writes it: text without quotes, numbers as short as they read back.
/// REQUIRES: value.IsScalar().
std::string ScalarText(const Value& value);
/// Any value as JSON, for people and templates; "missing" for what is not there.
std::string JsonText(const Value& value);

class Payload {
 public:
  /// E_RULE_VALUE for what is no JSON, or not UTF-8. Numbers beyond a double are refused too.
  static Result<Payload> ParseJson(std::string_view bytes);
  /// The whole payload as one text. E_RULE_VALUE when it is not UTF-8. `bytes` outlives it.
  static Result<Payload> FromText(std::string_view bytes);
  Payload(Payload&&) noexcept;
  Payload& operator=(Payload&&) noexcept;
  ~Payload();

  [[nodiscard]] const Value& root() const { return root_; }
  /// Missing unless `of` is a map with that key, or a list that long.
  static Value Member(const Value& of, std::string_view key) noexcept;
  static Value Element(const Value& of, std::size_t index) noexcept;
  /// Whether a list has an element that is equal to `value`.
  static bool Contains(const Value& list, const Value& value) noexcept;

 private:
  struct Document;
  Payload();
  std::unique_ptr<Document> document_;
  Value root_;
};

}  // namespace sluice
