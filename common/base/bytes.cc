#include "common/base/bytes.h"

namespace sluice {
namespace {

int NibbleOf(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

std::uint64_t Digest::Prefix64() const { return LoadLe<std::uint64_t>(bytes.data()); }

std::string Digest::Hex() const { return ToHex(bytes); }

Result<Digest> DigestFromBytes(ByteView bytes) {
  if (bytes.size() != Digest::kSize) {
    return Fail(ErrorCode::kFbRange,
                "a digest has 32 bytes, this one has " + std::to_string(bytes.size()));
  }
  Digest digest;
  std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
  return digest;
}

Result<Digest> DigestFromHex(std::string_view hex) {
  if (hex.size() != 2 * Digest::kSize) {
    return Fail(ErrorCode::kBadId, "a digest is 64 hexadecimal digits");
  }
  SLUICE_ASSIGN(const Bytes bytes, FromHex(hex));
  return DigestFromBytes(bytes);
}

std::string ToHex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

Result<Bytes> FromHex(std::string_view hex) {
  if (hex.size() % 2 != 0) {
    return Fail(ErrorCode::kBadId, "hexadecimal text has an even number of digits");
  }
  Bytes bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = NibbleOf(hex[i]);
    const int low = NibbleOf(hex[i + 1]);
    if (high < 0 || low < 0) {
      return Fail(ErrorCode::kBadId, "not a hexadecimal digit at " + std::to_string(i));
    }
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

}  // namespace sluice
