#include "rollout_engine/payload/element_cost.h"

#include <bit>
#include <cmath>

namespace sluice {
namespace {

// Order-0 entropy in bits a symbol.
template <std::size_t kSymbols>
class Histogram {
 public:
  void Count(std::size_t symbol) {
    ++counts_[symbol];
    ++total_;
  }
  [[nodiscard]] double Entropy() const {
    double bits = 0;
    for (const std::uint32_t count : counts_) {
      if (count > 0) bits -= count * std::log2(static_cast<double>(count) / total_);
    }
    return total_ == 0 ? 0 : bits / total_;
  }

 private:
  std::array<std::uint32_t, kSymbols> counts_{};
  std::uint32_t total_ = 0;
};

std::uint32_t LoadElement(std::uint32_t width, const std::uint8_t* at) {
  if (width == 1) return *at;
  return width == 2 ? LoadLe<std::uint16_t>(at) : LoadLe<std::uint32_t>(at);
}

unsigned MantissaBits(ElementKind kind) {
  if (kind == ElementKind::kF32) return 23;
  return kind == ElementKind::kF16 ? 10 : 7;
}

std::uint32_t ExponentOf(ElementKind kind, std::uint32_t bits) {
  return bits >> MantissaBits(kind) & (kind == ElementKind::kF16 ? 0x1Fu : 0xFFu);
}

std::uint32_t MaskOf(std::uint32_t width) { return ~0u >> (32 - 8 * width); }

// Floats in the order of their values, so that neighbours differ by 1.
std::uint32_t Ordered(ElementKind kind, std::uint32_t bits) {
  if (!IsFloat(kind)) return bits;
  const std::uint32_t width = ElementWidth(kind);
  const std::uint32_t sign = 1u << (8 * width - 1);
  return ((bits & sign) != 0 ? ~bits : bits | sign) & MaskOf(width);
}

}  // namespace

double LiteralCost(ElementKind kind, ByteView elements) {
  Histogram<256> histogram;
  if (!IsFloat(kind)) {
    for (const std::uint8_t byte : elements) histogram.Count(byte);
    return histogram.Entropy();
  }
  const std::uint32_t width = ElementWidth(kind);
  for (std::size_t at = 0; at + width <= elements.size(); at += width) {
    histogram.Count(ExponentOf(kind, LoadElement(width, elements.data() + at)));
  }
  return (histogram.Entropy() + 1 + MantissaBits(kind)) / width;
}

double DifferenceCost(ElementKind kind, ByteView old_elements, ByteView elements) {
  Histogram<33> lengths;
  const std::uint32_t width = ElementWidth(kind);
  const std::uint32_t mask = MaskOf(width);
  double plain_bits = 0;
  std::size_t count = 0;
  for (std::size_t at = 0; at + width <= elements.size(); at += width, ++count) {
    const std::uint32_t difference = (Ordered(kind, LoadElement(width, elements.data() + at)) -
                                      Ordered(kind, LoadElement(width, old_elements.data() + at))) &
                                     mask;
    const std::uint32_t magnitude = std::min(difference, (0u - difference) & mask);
    const auto length = static_cast<std::size_t>(std::bit_width(magnitude));
    lengths.Count(length);
    plain_bits += static_cast<double>(length);  // the sign and length - 1 bits
  }
  if (count == 0) return 0;
  return (lengths.Entropy() + plain_bits / static_cast<double>(count)) / width;
}

}  // namespace sluice
