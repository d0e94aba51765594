#include "tests/bench/delta/plain_elem_coder.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "common/base/check.h"

namespace sluice::bench {
namespace {

using Probability = std::uint16_t;  // of a 0 bit, times 65,536
constexpr std::uint32_t kRangeMin = 1u << 24;
constexpr int kContexts = 72;

struct Models {
  Probability changed[kContexts][3];
  Probability length[kContexts][64];
  Probability sign[33];
  Probability second[33], third[33][2], fourth[33][4];
  Models() { std::fill_n(&changed[0][0], sizeof *this / sizeof(Probability), 32'768); }
};

std::uint32_t Split(std::uint32_t range, Probability p) {
  return static_cast<std::uint32_t>(std::uint64_t{range} * p >> 16);
}

void Adapt(Probability& probability, int bit) {
  int p = probability;
  p += bit == 0 ? (65'535 - p) >> 5 : -(p >> 5);
  probability = static_cast<Probability>(std::clamp(p, 32, 65'503));
}

/// Both coders answer Bit and Raw with what was coded; a decoder does not look at what it is given.
class Encoder {
 public:
  static constexpr bool kDecodes = false;
  int Bit(Probability& p, int bit) {
    const std::uint32_t zero = Split(range_, p);
    if (bit == 0) {
      range_ = zero;
    } else {
      low_ += zero;
      range_ -= zero;
    }
    Adapt(p, bit);
    Normalise();
    return bit;
  }
  std::uint32_t Raw(std::uint32_t value, int bits) {
    for (int i = bits - 1; i >= 0; --i) {
      range_ >>= 1;
      if ((value >> i & 1) != 0) low_ += range_;
      Normalise();
    }
    return value;
  }
  Bytes Finish() {
    for (int i = 0; i < 5; ++i) Shift();
    return std::move(out_);
  }

 private:
  void Normalise() {
    while (range_ < kRangeMin) {
      Shift();
      range_ <<= 8;
    }
  }
  // Bytes of 255 wait until it is known whether a carry turns them to 0.
  void Shift() {
    if (low_ < 0xFF000000u || low_ > UINT32_MAX) {
      std::uint8_t byte = first_;
      do {
        out_.push_back(static_cast<std::uint8_t>(byte + (low_ >> 32)));
        byte = 0xFF;
      } while (--waiting_ != 0);
      first_ = static_cast<std::uint8_t>(low_ >> 24);
    }
    ++waiting_;
    low_ = low_ << 8 & UINT32_MAX;
  }

  std::uint64_t low_ = 0, waiting_ = 1;
  std::uint32_t range_ = UINT32_MAX;
  std::uint8_t first_ = 0;
  Bytes out_;
};

class Decoder {
 public:
  static constexpr bool kDecodes = true;
  explicit Decoder(std::FILE* coded) : coded_(coded) {
    for (int i = 0; i < 5; ++i) TakeByte();
  }
  int Bit(Probability& p, int) {
    const std::uint32_t zero = Split(range_, p);
    const int bit = code_ < zero ? 0 : 1;
    if (bit == 0) {
      range_ = zero;
    } else {
      code_ -= zero;
      range_ -= zero;
    }
    Adapt(p, bit);
    Normalise();
    return bit;
  }
  std::uint32_t Raw(std::uint32_t, int bits) {
    std::uint32_t value = 0;
    for (int i = 0; i < bits; ++i) {
      range_ >>= 1;
      const bool bit = code_ >= range_;
      if (bit) code_ -= range_;
      value = 2 * value + (bit ? 1 : 0);
      Normalise();
    }
    return value;
  }

 private:
  void Normalise() {
    while (range_ < kRangeMin) {
      range_ <<= 8;
      TakeByte();
    }
  }
  void TakeByte() {
    const int byte = std::fgetc(coded_);
    code_ = code_ << 8 | static_cast<std::uint32_t>(byte < 0 ? 0 : byte);
  }

  std::FILE* coded_;
  std::uint32_t range_ = UINT32_MAX, code_ = 0;
};

struct Context {
  int average = 0, run = 0;
};

std::uint32_t Mask(std::uint32_t width) { return ~0u >> (32 - 8 * width); }
std::uint32_t SignBit(std::uint32_t width) { return 1u << (8 * width - 1); }

std::uint32_t Ordered(std::uint32_t bits, std::uint32_t width) {
  const std::uint32_t sign = SignBit(width);
  return ((bits & sign) != 0 ? ~bits : bits | sign) & Mask(width);
}
std::uint32_t FromOrdered(std::uint32_t ordered, std::uint32_t width) {
  const std::uint32_t sign = SignBit(width);
  return ((ordered & sign) != 0 ? ordered & ~sign : ~ordered) & Mask(width);
}

int Exponent(std::uint32_t bits, ElementKind kind) {
  if (kind == ElementKind::kF32) return static_cast<int>(bits >> 23 & 255);
  if (kind == ElementKind::kBf16) return static_cast<int>(bits >> 7 & 255);
  return kind == ElementKind::kF16 ? static_cast<int>(bits >> 10 & 31) : 0;
}

template <class Coder>
int CodeLength(Coder& coder, Probability* tree, int length) {
  int node = 1;
  for (int i = 5; i >= 0; --i) node = 2 * node + coder.Bit(tree[node], length >> i & 1);
  return node - 64;
}

// The bits below the top one of `length`.
template <class Coder>
std::uint32_t CodeMagnitude(Coder& coder, Models& models, int length, std::uint32_t magnitude) {
  std::uint32_t coded = 1;
  int left = length - 1;
  const auto code = [&](Probability* by_bits_before, std::uint32_t mask) {
    if (left == 0) return;
    --left;
    const int bit =
        coder.Bit(by_bits_before[coded & mask], static_cast<int>(magnitude >> left & 1));
    coded = 2 * coded + static_cast<std::uint32_t>(bit);
  };
  code(&models.second[length], 0);
  code(models.third[length], 1);
  code(models.fourth[length], 3);
  const std::uint32_t rest = coder.Raw(magnitude & ((1u << left) - 1), left);
  return coded << left | rest;
}

/// The new element, from what an encoder is told or a decoder finds.
template <class Coder>
std::uint32_t CodeElement(Coder& coder, Models& models, Context& context, ElementKind kind,
                          std::uint32_t old_bits, std::uint32_t new_bits) {
  const std::uint32_t width = ElementWidth(kind);
  const std::uint32_t from = IsFloat(kind) ? Ordered(old_bits, width) : old_bits;
  const int exponent = Exponent(old_bits, kind);
  int length = 0, is_negative = 0;
  std::uint32_t magnitude = 0;
  if constexpr (!Coder::kDecodes) {
    const std::uint32_t to = IsFloat(kind) ? Ordered(new_bits, width) : new_bits;
    magnitude = (to - from) & Mask(width);
    is_negative = (magnitude & SignBit(width)) != 0 ? 1 : 0;
    if (is_negative != 0) magnitude = (0 - magnitude) & Mask(width);
    length = static_cast<int>(std::bit_width(magnitude));
  }
  const int expected = std::clamp((context.average >> 4) - exponent, -2, 33);
  const int row = 2 * (expected + 2) + (context.average >> 3 & 1);
  if (coder.Bit(models.changed[row][context.run], length != 0 ? 1 : 0) == 0) {
    const int seen = IsFloat(kind) ? std::min(context.average, 16 * exponent) : 0;
    context.average += (seen - context.average) / 8;
    context.run = 0;
    return old_bits;
  }
  length = CodeLength(coder, models.length[row], length);
  const int seen = 16 * (length + exponent);
  context.average += (seen - context.average + (seen > context.average ? 7 : -7)) / 8;
  context.run = context.run == 0 ? 1 : 2;
  is_negative = coder.Bit(models.sign[length], is_negative);
  magnitude = CodeMagnitude(coder, models, length, magnitude);
  const std::uint32_t to = (is_negative != 0 ? from - magnitude : from + magnitude) & Mask(width);
  return IsFloat(kind) ? FromOrdered(to, width) : to;
}

std::uint32_t Load(const std::uint8_t* from, std::uint32_t width) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, from, width);
  return bits;
}

}  // namespace

Bytes EncodePlainly(ElementKind kind, ByteView old_elements, ByteView elements) {
  const std::uint32_t width = ElementWidth(kind);
  Models models;
  Context context;
  Encoder coder;
  for (std::size_t at = 0; at < elements.size(); at += width) {
    CodeElement(coder, models, context, kind, Load(&old_elements[at], width),
                Load(&elements[at], width));
  }
  return coder.Finish();
}

void DecodePlainly(ElementKind kind, ByteView old_elements, ByteView coded,
                   std::span<std::uint8_t> elements) {
  const std::uint32_t width = ElementWidth(kind);
  // Only read; fmemopen knows no const.
  std::FILE* const file = ::fmemopen(const_cast<std::uint8_t*>(coded.data()), coded.size(), "r");
  SLUICE_CHECK(file != nullptr);
  Models models;
  Context context;
  Decoder coder(file);
  for (std::size_t at = 0; at < elements.size(); at += width) {
    const std::uint32_t bits =
        CodeElement(coder, models, context, kind, Load(&old_elements[at], width), 0);
    std::memcpy(&elements[at], &bits, width);
  }
  std::fclose(file);
}

}  // namespace sluice::bench
