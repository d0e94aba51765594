#include "rollout_engine/payload/headerless.h"

#include <array>

#include "rollout_engine/payload/element_cost.h"

namespace sluice {
namespace {

constexpr std::uint64_t kWindowBytes = 65'536;
constexpr std::uint64_t kTailBytesMin = 256;  // a shorter last window says too little
constexpr double kGainMin = 0.01;             // less is noise of the estimate
// How far a header that grew may have moved what follows it, and how often that is looked for.
constexpr std::int64_t kHeaderGrowthMax = 4'096;
constexpr std::uint64_t kSearches = 8;
constexpr std::uint64_t kSearchSampleBytes = 2'048;
constexpr double kSearchGainMin = 0.05;  // the best of many tries is better by luck
constexpr std::array kFloatKinds = {ElementKind::kF32, ElementKind::kF16, ElementKind::kBf16};

struct Guess {
  ElementKind kind = ElementKind::kBytes;
  std::uint64_t phase = 0;            // of the first whole element, from the start of the file
  std::optional<std::int64_t> shift;  // what leads from an element to its old one
  friend bool operator==(const Guess&, const Guess&) = default;
};

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

  Guess Of(std::uint64_t begin, std::uint64_t end) {
    const double plain_bits =
        LiteralCost(ElementKind::kBytes, artifact_.subspan(begin, end - begin));
    Guess best;
    double best_bits = plain_bits * (1 - kGainMin);
    for (const ElementKind kind : kFloatKinds) {
      for (std::uint64_t phase = 0; phase < ElementWidth(kind); ++phase) {
        const std::uint64_t from = FirstElement(begin, ElementWidth(kind), phase);
        const double bits = LiteralCost(kind, artifact_.subspan(from, end - from));
        if (bits >= best_bits) continue;
        best_bits = bits;
        best = {kind, phase, std::nullopt};
      }
    }
    // Integers show in their differences only.
    const bool is_float = best.kind != ElementKind::kBytes;
    Guess candidate = is_float ? best : Guess{ElementKind::kI8, 0, std::nullopt};
    const double bits = is_float ? best_bits : plain_bits;
    candidate.shift = ShiftOf(candidate, begin, end, bits);
    if (!candidate.shift && SearchShift(candidate, begin, end)) {
      candidate.shift = ShiftOf(candidate, begin, end, bits);
    }
    return candidate.shift ? candidate : best;
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
      const double difference_bits = DifferenceCost(
          guess.kind, base_.subspan(static_cast<std::uint64_t>(old_from), end - from),
          artifact_.subspan(from, end - from));
      if (difference_bits >= best_bits) continue;
      best_bits = difference_bits;
      best = shift;
    }
    return best;
  }

  // Tries every shift of a header on a sample; the one that fits becomes a candidate for all
  // windows. Returns whether there is one. Looks at windows spread over the file only.
  bool SearchShift(const Guess& guess, std::uint64_t begin, std::uint64_t end) {
    if (base_.empty() || end - begin < kWindowBytes || begin < next_search_) return false;
    next_search_ = begin + std::max(kWindowBytes, artifact_.size() / kSearches);
    const std::uint64_t middle = begin + (end - begin) / 2;
    const std::uint64_t from = FirstElement(middle, ElementWidth(guess.kind), guess.phase);
    const ByteView sample = artifact_.subspan(from, kSearchSampleBytes);
    double best_bits = LiteralCost(guess.kind, sample) * (1 - kSearchGainMin);
    std::optional<std::int64_t> best;
    for (std::int64_t shift = -kHeaderGrowthMax; shift <= kHeaderGrowthMax; ++shift) {
      const std::int64_t old_from = static_cast<std::int64_t>(from) + shift;
      if (old_from + static_cast<std::int64_t>(sample.size()) >
          static_cast<std::int64_t>(base_.size())) {
        break;
      }
      const double bits = DifferenceCost(
          guess.kind, base_.subspan(static_cast<std::uint64_t>(old_from), sample.size()), sample);
      if (bits >= best_bits) continue;
      best_bits = bits;
      best = shift;
    }
    if (best) shifts_.push_back(*best);
    return best.has_value();
  }

  const ByteView base_;
  const ByteView artifact_;
  std::vector<std::int64_t> shifts_;
  std::uint64_t next_search_ = 0;
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
  Guesser guesser(base, artifact);
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
