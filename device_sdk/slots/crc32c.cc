#include "device_sdk/slots/crc32c.h"

namespace sluice::device {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;

struct Table {
  std::uint32_t entry[256];
};

constexpr Table MakeTable() {
  Table table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1) ^ ((remainder & 1U) != 0 ? kReflectedPolynomial : 0U);
    }
    table.entry[byte] = remainder;
  }
  return table;
}

constexpr Table kTable = MakeTable();

}  // namespace

std::uint32_t Crc32c(ByteView bytes) {
  std::uint32_t crc = ~0U;
  const std::uint8_t* const end = bytes.data() + bytes.size();
  for (const std::uint8_t* at = bytes.data(); at != end; ++at) {
    crc = (crc >> 8) ^ kTable.entry[(crc ^ *at) & 0xFFU];
  }
  return ~crc;
}

}  // namespace sluice::device
