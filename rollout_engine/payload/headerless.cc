#include "rollout_engine/payload/headerless.h"

#include <array>
#include <bit>
#include <cmath>

namespace sluice {
namespace {

constexpr std::uint64_t kWindowBytes = 65'536;
constexpr std::uint64_t kTailBytesMin = 256;  // a shorter last window says too little
constexpr double kGainMin = 0.01;             // less is noise of the estimate
constexpr std::array kFloatKinds = {ElementKind::kF32, ElementKind::kF16, ElementKind::kBf16};

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

struct Guess {
  ElementKind kind = ElementKind::kBytes;
  std::uint64_t phase = 0;            // of the first whole element, from the start of the file
  std::optional<std::int64_t> shift;  // what leads from an element to its old one
  friend bool operator==(const Guess&, const Guess&) = default;
};

std::uint32_t LoadElement(ElementKind kind, const std::uint8_t* at) {
  return ElementWidth(kind) == 2 ? LoadLe<std::uint16_t>(at) : LoadLe<std::uint32_t>(at);
}

unsigned MantissaBits(ElementKind kind) {
  if (kind == ElementKind::kF32) return 23;
  return kind == ElementKind::kF16 ? 10 : 7;
}

std::uint32_t ExponentOf(ElementKind kind, std::uint32_t bits) {
  return bits >> MantissaBits(kind) & (kind == ElementKind::kF16 ? 0x1Fu : 0xFFu);
}

// Floats in the order of their values, so that neighbours differ by 1.
std::uint32_t Ordered(std::uint32_t bits, unsigned width) {
  const std::uint32_t sign = 1u << (8 * width - 1);
  const std::uint32_t mask = width == 4 ? ~0u : (1u << (8 * width)) - 1;
  return ((bits & sign) != 0 ? ~bits : bits | sign) & mask;
}

double BitsPerByteAsBytes(ByteView window) {
  Histogram<256> bytes;
  for (const std::uint8_t byte : window) bytes.Count(byte);
  return bytes.Entropy();
}

double BitsPerByteAs(ElementKind kind, ByteView window) {
  Histogram<256> exponents;
  const std::uint32_t width = ElementWidth(kind);
  for (std::size_t at = 0; at + width <= window.size(); at += width) {
    exponents.Count(ExponentOf(kind, LoadElement(kind, window.data() + at)));
  }
  return (exponents.Entropy() + 1 + MantissaBits(kind)) / width;
}

// Of the differences between ordered values: the bit length, the sign and the bits below the top.
double BitsPerByteOfDifferences(ElementKind kind, ByteView window, ByteView old) {
  Histogram<33> lengths;
  const std::uint32_t width = ElementWidth(kind);
  double plain_bits = 0;
  std::size_t count = 0;
  for (std::size_t at = 0; at + width <= window.size(); at += width, ++count) {
    const std::uint32_t a = Ordered(LoadElement(kind, old.data() + at), width);
    const std::uint32_t b = Ordered(LoadElement(kind, window.data() + at), width);
    const auto length = static_cast<std::size_t>(std::bit_width(a > b ? a - b : b - a));
    lengths.Count(length);
    plain_bits += static_cast<double>(length);  // the sign and length - 1 bits
  }
  if (count == 0) return 0;
  return (lengths.Entropy() + plain_bits / static_cast<double>(count)) / width;
}

class Guesser {
 public:
  Guesser(std::optional<ByteView> base, ByteView artifact)
      : base_(base.value_or(ByteView{})), artifact_(artifact) {
    if (!base) return;
    shifts_.push_back(0);
    const auto grown =
        static_cast<std::int64_t>(base->size()) - static_cast<std::int64_t>(artifact.size());
    if (grown != 0) shifts_.push_back(grown);
  }

  [[nodiscard]] Guess Of(std::uint64_t begin, std::uint64_t end) const {
    Guess best;
    double best_bits = BitsPerByteAsBytes(artifact_.subspan(begin, end - begin)) * (1 - kGainMin);
    for (const ElementKind kind : kFloatKinds) {
      const std::uint32_t width = ElementWidth(kind);
      for (std::uint64_t phase = 0; phase < width; ++phase) {
        const std::uint64_t from = FirstElement(begin, width, phase);
        const ByteView window = artifact_.subspan(from, end - from);
        const double bits = BitsPerByteAs(kind, window);
        if (bits >= best_bits) continue;
        best_bits = bits;
        best = {kind, phase, std::nullopt};
      }
    }
    if (best.kind != ElementKind::kBytes) best.shift = ShiftOf(best, begin, end, best_bits);
    return best;
  }

  static std::uint64_t FirstElement(std::uint64_t begin, std::uint32_t width, std::uint64_t phase) {
    return begin + (phase + width - begin % width) % width;
  }

 private:
  [[nodiscard]] std::optional<std::int64_t> ShiftOf(const Guess& guess, std::uint64_t begin,
                                                    std::uint64_t end, double bits) const {
    const std::uint64_t from = FirstElement(begin, ElementWidth(guess.kind), guess.phase);
    std::optional<std::int64_t> best;
    double best_bits = bits * (1 - kGainMin);
    for (const std::int64_t shift : shifts_) {
      const std::int64_t old_from = static_cast<std::int64_t>(from) + shift;
      const std::int64_t old_end = static_cast<std::int64_t>(end) + shift;
      if (old_from < 0 || old_end > static_cast<std::int64_t>(base_.size())) continue;
      const double difference_bits =
          BitsPerByteOfDifferences(guess.kind, artifact_.subspan(from, end - from),
                                   base_.subspan(static_cast<std::uint64_t>(old_from), end - from));
      if (difference_bits >= best_bits) continue;
      best_bits = difference_bits;
      best = shift;
    }
    return best;
  }

  const ByteView base_;
  const ByteView artifact_;
  std::vector<std::int64_t> shifts_;
};

// Adds the whole elements of [begin, end), to the last extent where they go on with it.
void AddWindow(TensorExtentList& extents, const Guess& guess, std::uint64_t begin,
               std::uint64_t end, bool goes_on) {
  const std::uint32_t width = ElementWidth(guess.kind);
  if (goes_on && !extents.empty()) {
    TensorExtent& last = extents.back();
    last.length = (end - last.offset) / width * width;
    return;
  }
  const std::uint64_t from = Guesser::FirstElement(begin, width, guess.phase);
  TensorExtent extent{from, (end - from) / width * width, guess.kind, std::nullopt};
  if (guess.shift) {
    extent.base_offset = static_cast<std::uint64_t>(static_cast<std::int64_t>(from) + *guess.shift);
  }
  if (extent.length > 0) extents.push_back(extent);
}

}  // namespace

TensorExtentList GuessElements(std::optional<ByteView> base, ByteView artifact) {
  const Guesser guesser(base, artifact);
  TensorExtentList extents;
  Guess previous;
  for (std::uint64_t begin = 0; begin < artifact.size();) {
    std::uint64_t end = std::min<std::uint64_t>(begin + kWindowBytes, artifact.size());
    if (artifact.size() - end < kTailBytesMin) end = artifact.size();
    if (end - begin < kTailBytesMin) break;
    const Guess guess = guesser.Of(begin, end);
    if (guess.kind != ElementKind::kBytes) {
      AddWindow(extents, guess, begin, end, guess == previous);
    }
    previous = guess;
    begin = end;
  }
  return extents;
}

}  // namespace sluice
