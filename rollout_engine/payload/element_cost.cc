#include "rollout_engine/payload/element_cost.h"

#include <bit>
#include <cmath>

#include "common/payload/element_bits.h"

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

}  // namespace

double LiteralCost(ElementKind kind, ByteView elements) {
  return WithKind(kind, [&](auto constant) {
    constexpr ElementKind kKind = constant();
    Histogram<256> histogram;
    if constexpr (IsFloat(kKind)) {
      constexpr std::uint32_t kWidth = ElementWidth(kKind);
      for (std::size_t at = 0; at + kWidth <= elements.size(); at += kWidth) {
        histogram.Count(
            static_cast<std::size_t>(ExponentOf<kKind>(LoadElement<kKind>(elements.data() + at))));
      }
      return (histogram.Entropy() + 1 + kMantissaBits<kKind>) / kWidth;
    } else {
      for (const std::uint8_t byte : elements) histogram.Count(byte);
      return histogram.Entropy();
    }
  });
}

double DifferenceCost(ElementKind kind, ByteView old_elements, ByteView elements) {
  return WithKind(kind, [&](auto constant) {
    constexpr ElementKind kKind = constant();
    constexpr std::uint32_t kWidth = ElementWidth(kKind);
    Histogram<33> lengths;
    double plain_bits = 0;
    std::size_t count = 0;
    for (std::size_t at = 0; at + kWidth <= elements.size(); at += kWidth, ++count) {
      const OrderedDifference<kKind> difference(LoadElement<kKind>(old_elements.data() + at),
                                                LoadElement<kKind>(elements.data() + at));
      const auto length = static_cast<std::size_t>(std::bit_width(difference.magnitude));
      lengths.Count(length);
      plain_bits += static_cast<double>(length);  // the sign and length - 1 bits
    }
    if (count == 0) return 0.0;
    return (lengths.Entropy() + plain_bits / static_cast<double>(count)) / kWidth;
  });
}

}  // namespace sluice
