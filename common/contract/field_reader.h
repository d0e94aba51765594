// Reads the fields of a verified FlatBuffers table and checks what the Verifier does not. Private
// to the codec.
//
// The first violation is remembered and every later read still returns a harmless value, so that a
// decoder is one line per field and Finish decides at the end. Lists over their limit read as
// empty.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/base/bytes.h"
#include "common/contract/numbers.h"
#include "types_generated.h"

namespace sluice {

/// A list of a table that is safe to walk: empty when it is absent or was refused.
template <class Vector>
class WireList {
 public:
  explicit WireList(const Vector* vector) : vector_(vector) {}
  [[nodiscard]] auto begin() const { return vector_ ? vector_->begin() : Iterator(); }
  [[nodiscard]] auto end() const { return vector_ ? vector_->end() : Iterator(); }

 private:
  using Iterator = decltype(std::declval<const Vector&>().begin());
  const Vector* vector_;
};

/// Whether the structs of a list are where a CPU may read them. The Verifier checks that its length
/// is aligned and not what follows, so that structs of 64-bit fields may stand on 4 bytes.
template <class T>
bool IsAligned(const flatbuffers::Vector<const T*>& list) {
  return reinterpret_cast<std::uintptr_t>(list.Data()) % alignof(T) == 0;
}
/// Bytes, and offsets to tables and strings, which the Verifier does check.
template <class T>
bool IsAligned(const flatbuffers::Vector<T>&) {
  static_assert(sizeof(T) <= sizeof(flatbuffers::uoffset_t));
  return true;
}

class FieldReader {
 public:
  /// `message` names the message in error texts; `code` is what a violation answers.
  explicit FieldReader(std::string_view message, ErrorCode code = ErrorCode::kFbRange)
      : message_(message), code_(code) {}

  void Require(bool holds, std::string_view field, std::string_view rule);

  /// Empty where the rule of the field is broken.
  std::string RegistryId(std::string_view field, const flatbuffers::String* text);
  std::string OptionalRegistryId(std::string_view field, const flatbuffers::String* text);
  std::string Identity(std::string_view field, const flatbuffers::String* text);
  /// "1.2.3": three numbers of at most 5 digits; or absent.
  std::string OptionalVersion(std::string_view field, const flatbuffers::String* text);
  /// A stable code, "E_..." or "W_..."; or absent.
  std::string OptionalCode(std::string_view field, const flatbuffers::String* text);
  /// UTF-8 without control characters: it ends up in logs and JSON.
  std::string Line(std::string_view field, const flatbuffers::String* text, std::size_t bytes_max);

  sluice::Digest Digest(std::string_view field, const wire::Digest* digest);
  sluice::Digest OptionalDigest(const wire::Digest* digest);
  std::array<std::uint8_t, 16> Token(std::string_view field, const wire::Token* token);
  SequenceNumber Number(std::string_view field, const wire::SequenceNumber* number);
  SequenceNumber OptionalNumber(const wire::SequenceNumber* number);
  /// Milliseconds from 1970 to the end of 9999.
  std::int64_t TimeMs(std::string_view field, std::int64_t ms);
  /// Finite and within; 0 where it is not.
  double Within(std::string_view field, double value, double low, double high);

  template <class T>
  requires std::is_integral_v<T> T Within(std::string_view field, T value,
                                          std::type_identity_t<T> low,
                                          std::type_identity_t<T> high) {
    Require(
        value >= low && value <= high, field,
        std::to_string(value) + " is outside " + std::to_string(low) + ".." + std::to_string(high));
    return value;
  }

  /// The contract's enum of a generated one with the same numbers; `first` where it is out of
  /// range.
  template <class E, class Wire>
  E Enum(std::string_view field, Wire value, E first, E last) {
    const auto number = static_cast<std::underlying_type_t<E>>(value);
    const bool known = number >= static_cast<std::underlying_type_t<E>>(first) &&
                       number <= static_cast<std::underlying_type_t<E>>(last);
    Require(known, field, "unknown value " + std::to_string(number));
    return known ? static_cast<E>(number) : first;
  }

  template <class Vector>
  WireList<Vector> List(std::string_view field, const Vector* list, std::size_t count_min,
                        std::size_t count_max) {
    const std::size_t count = list == nullptr ? 0 : list->size();
    const bool fits = count >= count_min && count <= count_max;
    Require(fits, field,
            std::to_string(count) + " entries, allowed " + std::to_string(count_min) + ".." +
                std::to_string(count_max));
    const bool aligned = list == nullptr || IsAligned(*list);
    Require(aligned, field, "its entries are not aligned");
    return WireList<Vector>(fits && aligned ? list : nullptr);
  }

  /// A list of distinct registry ids.
  std::vector<std::string> RegistryIds(
      std::string_view field,
      const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* list,
      std::size_t count_min, std::size_t count_max);

  /// Refuses a second entry with the same key.
  template <class T>
  void Unique(std::string_view field, std::set<T>& seen, const T& key) {
    Require(seen.insert(key).second, field, "an entry is named twice");
  }

  [[nodiscard]] const Status& status() const { return status_; }

  template <class T>
  Result<T> Finish(T value) {
    if (!status_) return Fail(status_.error());
    return value;
  }

 private:
  std::string Checked(std::string_view field, const flatbuffers::String* text,
                      bool (*accepts)(std::string_view) noexcept, std::string_view rule);

  std::string message_;
  ErrorCode code_;
  Status status_;
};

}  // namespace sluice
