// The hand-written digits of data/optdigits.csv.gz and their three parts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace sluice::digits {

inline constexpr std::size_t kImageSide = 8;
inline constexpr std::size_t kPixels = kImageSide * kImageSide;
inline constexpr std::size_t kClasses = 10;

/// Row by row, 0 = paper, 1 = ink.
using Pixels = std::array<float, kPixels>;

struct LabelledImage {
  Pixels pixels{};
  std::uint8_t label = 0;  // 0..9
};
using Images = std::vector<LabelledImage>;

struct DigitImages {
  Images train;     // rows 0..1077
  Images validate;  // rows 1078..1437, 360 of them
  Images field;     // rows 1438..1796: what cameras see
};

/// Reads the gzipped CSV. E_IO when it cannot be read, E_FB_INVALID with the row when it is not
/// what it should be.
Result<DigitImages> LoadDigits(const std::string& path);

/// The validation set as releases carry it: "DIG1", u32 count (1..100,000), then per image 64 bytes
/// of ink (0..16) and the label. Integers are little-endian.
Bytes EncodeValidationSet(const Images& images);
/// E_FB_INVALID for anything that EncodeValidationSet would not write.
Result<Images> DecodeValidationSet(ByteView bytes);

}  // namespace sluice::digits
