// A good value with one thing changed, and what decoding must say to it.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "common/contract/codec.h"

namespace sluice {

template <class T>
struct Change {
  std::string_view field;  // that the error text must name, "" = the value is still good
  void (*apply)(T&);
};

/// Every changed value is decoded to itself or refused with `code` and the name of the field.
template <class T>
void ExpectEachDecoded(const T& good, ErrorCode code, const std::vector<Change<T>>& changes) {
  for (std::size_t i = 0; i < changes.size(); ++i) {
    SCOPED_TRACE("change " + std::to_string(i) + " " + std::string(changes[i].field));
    T value = good;
    changes[i].apply(value);
    const Result<T> decoded = Decode<T>(Encode(value));
    if (changes[i].field.empty()) {
      ASSERT_TRUE(decoded.has_value()) << decoded.error().Line();
      EXPECT_EQ(*decoded, value);
      continue;
    }
    ASSERT_FALSE(decoded.has_value());
    EXPECT_EQ(decoded.error().code, code) << decoded.error().Line();
    EXPECT_NE(decoded.error().text.find("." + std::string(changes[i].field) + ":"),
              std::string::npos)
        << decoded.error().Line();
  }
}

/// Encode, Decode, Encode: the same value and the same bytes.
template <class T>
void ExpectRoundTrip(const T& value) {
  const Bytes bytes = Encode(value);
  const Result<T> decoded = Decode<T>(bytes);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().Line();
  EXPECT_EQ(*decoded, value);
  EXPECT_EQ(Encode(*decoded), bytes);
}

/// No shorter prefix of a message is a message, and a message over its cap is refused before it is
/// parsed.
template <class T>
void ExpectSizeIsChecked(const T& value, std::size_t bytes_max) {
  const Bytes bytes = Encode(value);
  ASSERT_LE(bytes.size(), bytes_max);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Result<T> decoded = Decode<T>(ByteView(bytes).first(size));
    // The Verifier lets go of padding at the end, so a shorter buffer may still hold the same
    // value.
    if (decoded) {
      EXPECT_EQ(*decoded, value) << size;
      EXPECT_GE(size + 8, bytes.size());
      continue;
    }
    EXPECT_EQ(decoded.error().code, ErrorCode::kFbInvalid) << size;
  }
  Bytes longer = bytes;
  longer.resize(bytes_max);
  EXPECT_TRUE(Decode<T>(longer).has_value());
  longer.resize(bytes_max + 1);
  EXPECT_EQ(Decode<T>(longer).error().code, ErrorCode::kTooBig);
}

/// Bytes flipped anywhere give a value or a refusal of the contract, never anything else.
template <class T>
void ExpectEveryBitFlipIsBorne(const T& value, ErrorCode range_code) {
  Bytes bytes = Encode(value);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    const Result<T> decoded = Decode<T>(bytes);
    if (decoded) {
      EXPECT_EQ(Decode<T>(Encode(*decoded)), decoded) << bit;
    } else {
      EXPECT_TRUE(decoded.error().code == ErrorCode::kFbInvalid ||
                  decoded.error().code == range_code)
          << bit << " " << decoded.error().Line();
    }
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
}

}  // namespace sluice
