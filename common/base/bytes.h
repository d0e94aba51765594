// Bytes, digests and their little-endian and hexadecimal forms.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline ByteView AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A SHA-256. All zero means "none" where a field may be empty.
struct Digest {
  static constexpr std::size_t kSize = 32;
  std::array<std::uint8_t, kSize> bytes{};

  [[nodiscard]] bool IsZero() const {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
  }
  [[nodiscard]] ByteView View() const { return bytes; }
  /// The first 8 bytes as a little-endian number: release_id in telemetry, object id in a Chunk.
  [[nodiscard]] std::uint64_t Prefix64() const;
  [[nodiscard]] std::string Hex() const;
  /// The first 12 hex digits, for people.
  [[nodiscard]] std::string Short() const { return Hex().substr(0, 12); }
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

/// REQUIRES: `bytes` has 32 bytes, else E_FB_RANGE.
Result<Digest> DigestFromBytes(ByteView bytes);
/// 64 hexadecimal digits of either case, else E_BAD_ID.
Result<Digest> DigestFromHex(std::string_view hex);

std::string ToHex(ByteView bytes);
/// An even number of hexadecimal digits of either case, else E_BAD_ID.
Result<Bytes> FromHex(std::string_view hex);

/// Fixed-width little-endian access. REQUIRES: the range holds sizeof(T) bytes.
template <class T>
T LoadLe(const std::uint8_t* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(from[i]) << (8 * i)));
  }
  return value;
}
template <class T>
void StoreLe(std::uint8_t* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * i));
}
template <class T>
void AppendLe(Bytes& to, T value) {
  const std::size_t at = to.size();
  to.resize(at + sizeof(T));
  StoreLe(to.data() + at, value);
}
inline void Append(Bytes& to, ByteView from) { to.insert(to.end(), from.begin(), from.end()); }

struct DigestHash {
  std::size_t operator()(const Digest& digest) const {
    return static_cast<std::size_t>(digest.Prefix64());
  }
};

}  // namespace sluice
