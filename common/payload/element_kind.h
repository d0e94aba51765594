// What ELEM and QDELTA take a run of bytes for: the kind of its elements.
#pragma once

#include <cstdint>

namespace sluice {

/// As in an operation's low four bits; docs/protocol.md, "Payloads". u8, u16 and u32 tensors are
/// coded as the integer of their width: only differences matter.
enum class ElementKind : std::uint8_t {
  kI8 = 0,
  kF16 = 1,
  kBf16 = 2,
  kF32 = 3,
  kI32 = 4,
  kBytes = 5,
  kI16 = 6,
};
inline constexpr std::uint8_t kElementKinds = 7;

/// Bytes of one element: 1, 2 or 4.
constexpr std::uint32_t ElementWidth(ElementKind kind) noexcept {
  switch (kind) {
    case ElementKind::kF16:
    case ElementKind::kBf16:
    case ElementKind::kI16:
      return 2;
    case ElementKind::kF32:
    case ElementKind::kI32:
      return 4;
    case ElementKind::kI8:
    case ElementKind::kBytes:
      break;
  }
  return 1;
}

constexpr bool IsFloat(ElementKind kind) noexcept {
  return kind == ElementKind::kF16 || kind == ElementKind::kBf16 || kind == ElementKind::kF32;
}

}  // namespace sluice
