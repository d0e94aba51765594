// Old and new elements of any kind, and ELEM blocks of them: the same on every machine.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/payload/element_bits.h"
#include "common/payload/float_formats.h"
#include "rollout_engine/payload/elem_encoder.h"
#include "tests/support/sample_models.h"

namespace sluice {

inline constexpr std::array kElementKindsAll = {
    ElementKind::kI8,  ElementKind::kF16,   ElementKind::kBf16, ElementKind::kF32,
    ElementKind::kI32, ElementKind::kBytes, ElementKind::kI16};

inline std::string KindName(ElementKind kind) {
  static constexpr std::array kNames = {"i8", "f16", "bf16", "f32", "i32", "bytes", "i16"};
  return kNames[static_cast<std::size_t>(kind)];
}

/// `count` elements: floats like trained weights, integers around 0.
inline Bytes ElementBytes(ElementKind kind, std::uint64_t seed, std::size_t count) {
  SeededRandom random(seed);
  Bytes bytes(count * ElementWidth(kind));
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits =
        IsFloat(kind)
            ? FloatToElement(kind, DrawWeight(random))
            : static_cast<std::uint32_t>(static_cast<std::int32_t>(random.Below(64)) - 32);
    WithKind(kind, [&](auto constant) {
      StoreElement<constant()>(bytes.data() + i * ElementWidth(kind), bits);
    });
  }
  return bytes;
}

/// `old_elements` with about half of them moved by up to 2^`bits_max` units in the last place.
inline Bytes MovedElements(ElementKind kind, Bytes elements, std::uint64_t seed, int bits_max) {
  SeededRandom random(seed);
  WithKind(kind, [&](auto constant) {
    for (std::size_t at = 0; at < elements.size(); at += ElementWidth(kind)) {
      if (random.Below(2) == 0) continue;
      const auto move = static_cast<std::uint32_t>(random.Next() >> (64 - bits_max));
      const std::uint32_t ordered = Ordered<constant()>(LoadElement<constant()>(&elements[at]));
      const std::uint32_t moved = random.Below(2) == 0 ? ordered + move : ordered - move;
      StoreElement<constant()>(&elements[at], FromOrdered<constant()>(moved));
    }
  });
  return elements;
}

/// `old_elements` with each moved by -3 to 3 steps. REQUIRES: IsFloat(kind).
inline Bytes SteppedElements(ElementKind kind, Bytes elements, std::uint64_t seed, float step) {
  SeededRandom random(seed);
  WithKind(kind, [&](auto constant) {
    for (std::size_t at = 0; at < elements.size(); at += ElementWidth(kind)) {
      const auto k = static_cast<std::int32_t>(random.Below(7)) - 3;
      StoreElement<constant()>(&elements[at],
                               StepElement(kind, LoadElement<constant()>(&elements[at]), k, step));
    }
  });
  return elements;
}

/// `rows` rows whose changes from `old_elements` are mixtures of `rank` rows of noise, each sum
/// rounded to the kind. REQUIRES: IsFloat(kind); old_elements.size() is that of whole rows.
Bytes LowrankElements(ElementKind kind, Bytes old_elements, std::uint64_t seed, std::size_t rows,
                      std::size_t rank);

/// A block, what it is decoded against, and what comes out.
struct ElemSample {
  std::string name;
  Codec codec = Codec::kElem;
  std::uint64_t block_offset = 0;
  Bytes base;
  Bytes output;  // the artifact before the block; nothing but LOWRANK looks at it
  Bytes content;
  ElemOpList ops;
};

/// Every operation with every kind it may have, alone and mixed, with bases before, at and behind
/// the expected place.
std::vector<ElemSample> ElemSamples();

/// The block of a sample, written by our encoder.
Bytes EncodedSample(const ElemSample& sample);

}  // namespace sluice
