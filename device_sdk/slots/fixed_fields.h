// Reads and writes fixed-size fields one after another, so that one list of fields serves both
// ways.
//
// A layout is a function template over FixedFieldWriter or FixedFieldReader: `fields.Number(x);
// fields.Id(y);`. Numbers are little-endian; texts are a length byte and a fixed, zero-filled room.
#pragma once

#include <optional>

#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/contract/numbers.h"

namespace sluice::device {

/// Appends fields to a zeroed buffer. A field that does not fit is a bug.
class FixedFieldWriter {
 public:
  explicit FixedFieldWriter(std::span<std::uint8_t> out) : out_(out) {}

  template <class T>
  void Number(const T& value) {
    const auto raw = static_cast<std::make_unsigned_t<T>>(value);
    StoreLe(Take(sizeof(T)).data(), raw);
  }
  template <class E>
  void Enum(const E& value, E largest) {
    SLUICE_CHECK(value <= largest);
    Number(static_cast<std::uint8_t>(value));
  }
  void Id(const Digest& digest) { std::ranges::copy(digest.bytes, Take(Digest::kSize).begin()); }
  void Sequence(const SequenceNumber& number) {
    Number(number.epoch);
    Number(number.seq);
  }
  void Text(const std::string& text, std::size_t bytes_max) {
    SLUICE_CHECK(text.size() <= bytes_max);
    Number(static_cast<std::uint8_t>(text.size()));
    std::ranges::copy(text, Take(bytes_max).begin());
  }
  /// Present and below `bound`, or 0xFF for none.
  void Index(const std::optional<std::uint8_t>& index, std::size_t bound) {
    SLUICE_CHECK(!index || *index < bound);
    Number(index.value_or(kNoIndex));
  }
  /// How many of `items` are in use; the layout then visits each of `items_max` places.
  void Ids(const std::vector<Digest>& items, std::size_t items_max) {
    SLUICE_CHECK(items.size() <= items_max);
    Number(static_cast<std::uint8_t>(items.size()));
    for (const Digest& item : items) Id(item);
    Take((items_max - items.size()) * Digest::kSize);
  }
  void Constant(std::uint32_t value) { Number(value); }

  static constexpr std::uint8_t kNoIndex = 0xFF;

 private:
  std::span<std::uint8_t> Take(std::size_t count) {
    SLUICE_CHECK(count <= out_.size());
    const std::span<std::uint8_t> field = out_.first(count);
    out_ = out_.subspan(count);
    return field;
  }

  std::span<std::uint8_t> out_;
};

/// Takes fields off a buffer. The first value that no FixedFieldWriter produces makes it not ok();
/// from then on every field reads as its default.
class FixedFieldReader {
 public:
  explicit FixedFieldReader(ByteView in) : in_(in) {}

  template <class T>
  void Number(T& value) {
    const ByteView field = Take(sizeof(T));
    value = ok_ ? static_cast<T>(LoadLe<std::make_unsigned_t<T>>(field.data())) : T{};
  }
  template <class E>
  void Enum(E& value, E largest) {
    std::uint8_t raw = 0;
    Number(raw);
    Require(raw <= static_cast<std::uint8_t>(largest));
    value = ok_ ? static_cast<E>(raw) : E{};
  }
  void Id(Digest& digest) {
    const ByteView field = Take(Digest::kSize);
    if (ok_) std::ranges::copy(field, digest.bytes.begin());
  }
  void Sequence(SequenceNumber& number) {
    Number(number.epoch);
    Number(number.seq);
  }
  void Text(std::string& text, std::size_t bytes_max) {
    std::uint8_t length = 0;
    Number(length);
    Require(length <= bytes_max);
    const ByteView field = Take(bytes_max);
    if (!ok_) return;
    text = AsText(field.first(length));
    RequireZero(field.subspan(length));
  }
  void Index(std::optional<std::uint8_t>& index, std::size_t bound) {
    std::uint8_t raw = 0;
    Number(raw);
    Require(raw == FixedFieldWriter::kNoIndex || raw < bound);
    index.reset();
    if (ok_ && raw != FixedFieldWriter::kNoIndex) index = raw;
  }
  void Ids(std::vector<Digest>& items, std::size_t items_max) {
    std::uint8_t count = 0;
    Number(count);
    Require(count <= items_max);
    items.assign(ok_ ? count : 0, Digest{});
    for (Digest& item : items) Id(item);
    RequireZero(Take((items_max - items.size()) * Digest::kSize));
  }
  void Constant(std::uint32_t expected) {
    std::uint32_t value = 0;
    Number(value);
    Require(value == expected);
  }

  /// True iff every field was well-formed and all that is left is zero.
  [[nodiscard]] bool Finish() {
    RequireZero(in_);
    return ok_;
  }

 private:
  ByteView Take(std::size_t count) {
    Require(count <= in_.size());
    if (!ok_) return {};
    const ByteView field = in_.first(count);
    in_ = in_.subspan(count);
    return field;
  }
  void Require(bool condition) { ok_ = ok_ && condition; }
  void RequireZero(ByteView bytes) {
    Require(std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; }));
  }

  ByteView in_;
  bool ok_ = true;
};

}  // namespace sluice::device
