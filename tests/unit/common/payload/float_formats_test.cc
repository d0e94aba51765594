#include "common/payload/float_formats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sluice {
namespace {

TEST(HalfFloats, ComeBackFromF32AsTheyWere) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = HalfToFloat(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(value)))) << bits;
      continue;
    }
    EXPECT_EQ(FloatToHalf(value), half);
    EXPECT_EQ(std::signbit(value), (bits & 0x8000) != 0) << bits;
  }
  EXPECT_EQ(HalfToFloat(0x3C00), 1.0f);
  EXPECT_EQ(HalfToFloat(0x7BFF), 65'504.0f);
  EXPECT_EQ(HalfToFloat(0x0001), 0x1p-24f);
}

// Between two neighbours: the middle goes to the even one, anything off it to the nearer one.
TEST(HalfFloats, AreTheNearestWithTiesToEven) {
  for (std::uint16_t low = 0; low < 0x7BFF; ++low) {
    const float a = HalfToFloat(low);
    const float b = HalfToFloat(static_cast<std::uint16_t>(low + 1));
    const float middle = (a + b) / 2;  // exact: f32 has 13 bits more
    const auto even = static_cast<std::uint16_t>(low + (low & 1));
    ASSERT_EQ(FloatToHalf(middle), even) << low;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0f)), low);
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, b)), low + 1);
    ASSERT_EQ(FloatToHalf(-middle), even | 0x8000);
  }
  EXPECT_EQ(FloatToHalf(65'519.0f), 0x7BFF);
  EXPECT_EQ(FloatToHalf(65'520.0f), 0x7C00);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::infinity()), 0x7C00);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(Bfloats, AreTheNearestWithTiesToEven) {
  for (std::uint32_t low = 0; low < 0x7F7F; ++low) {
    const std::uint32_t middle = low << 16 | 0x8000;
    ASSERT_EQ(FloatToBf16(std::bit_cast<float>(middle)), low + (low & 1));
    ASSERT_EQ(FloatToBf16(std::bit_cast<float>(middle - 1)), low);
    ASSERT_EQ(FloatToBf16(std::bit_cast<float>(middle + 1)), low + 1);
    ASSERT_EQ(FloatToBf16(Bf16ToFloat(static_cast<std::uint16_t>(low))), low);
  }
  EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(StepElement, TakesKStepsInTheElementsOwnKind) {
  const auto bits_of = [](float value) { return std::bit_cast<std::uint32_t>(value); };
  EXPECT_EQ(StepElement(ElementKind::kF32, bits_of(1.0f), -3, 0.25f), bits_of(0.25f));
  EXPECT_EQ(StepElement(ElementKind::kF16, 0x3C00, 1, 1.0f), 0x4000u);
  EXPECT_EQ(StepElement(ElementKind::kBf16, 0x3F80, 1, 1.0f), 0x4000u);
  EXPECT_EQ(StepElement(ElementKind::kF32, bits_of(-0.0f), 0, 0.25f), bits_of(-0.0f))
      << "k = 0 keeps the old bits";
  const std::uint32_t nan = 0x7FC01234;
  EXPECT_EQ(StepElement(ElementKind::kF32, nan, 0, 0.25f), nan);
}

}  // namespace
}  // namespace sluice
