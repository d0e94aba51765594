#include "device_sdk/examples/digits/field_camera.h"

#include <gtest/gtest.h>

#include <numeric>

namespace sluice::digits {
namespace {

Pixels OneDot(std::size_t row, std::size_t column) {
  Pixels pixels{};
  pixels[row * kImageSide + column] = 1.0F;
  return pixels;
}

Images TwoScenes() { return {{OneDot(2, 2), 1}, {OneDot(5, 5), 2}}; }

TEST(FieldCamera, ShowsTheSameDeviceTheSameStream) {
  const Images scenes = TwoScenes();
  FieldCamera one(scenes, "cam-001");
  FieldCamera again(scenes, "cam-001");
  for (int i = 0; i < 20; ++i) {
    const LabelledImage image = one.Next();
    const LabelledImage same = again.Next();
    EXPECT_EQ(image.pixels, same.pixels);
    EXPECT_EQ(image.label, same.label);
  }
}

TEST(FieldCamera, ShowsEachDeviceAnotherStream) {
  const Images scenes = TwoScenes();
  FieldCamera one(scenes, "cam-001");
  FieldCamera other(scenes, "cam-002");
  EXPECT_NE(one.Next().pixels, other.Next().pixels);
}

TEST(FieldCamera, KeepsTheLabelsOfItsScenes) {
  const Images scenes = {{OneDot(2, 2), 7}};
  FieldCamera camera(scenes, "cam-001");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(camera.Next().label, 7);
}

TEST(Photograph, ChangesNothingWithoutAnEffect) {
  SeededRandom random(1);
  EXPECT_EQ(Photograph(OneDot(3, 4), {}, random), OneDot(3, 4));
}

TEST(Photograph, ShiftsByWholeAndPartPixels) {
  SeededRandom random(1);
  EXPECT_EQ(Photograph(OneDot(3, 4), {.shift_right = 1, .shift_down = -2}, random), OneDot(1, 5));
  const Pixels between = Photograph(OneDot(3, 4), {.shift_right = 0.25F}, random);
  EXPECT_FLOAT_EQ(between[3 * kImageSide + 4], 0.75F);
  EXPECT_FLOAT_EQ(between[3 * kImageSide + 5], 0.25F);
}

TEST(Photograph, PushesInkOverTheEdgeAndNotAround) {
  SeededRandom random(1);
  EXPECT_EQ(Photograph(OneDot(0, 0), {.shift_right = -1}, random), Pixels{});
}

TEST(Photograph, DimsInkAndLaysHazeOverPaper) {
  SeededRandom random(1);
  const Pixels seen = Photograph(OneDot(3, 4), {.gain = 0.5F, .haze = 0.2F}, random);
  EXPECT_FLOAT_EQ(seen[3 * kImageSide + 4], 0.7F);
  EXPECT_FLOAT_EQ(seen[0], 0.2F);
}

TEST(Photograph, KeepsEveryPixelBetweenPaperAndInkUnderNoise) {
  SeededRandom random(1);
  const Pixels seen = Photograph(OneDot(3, 4), {.noise = 2.0F}, random);
  for (const float pixel : seen) {
    EXPECT_GE(pixel, 0.0F);
    EXPECT_LE(pixel, 1.0F);
  }
  EXPECT_GT(std::accumulate(seen.begin(), seen.end(), 0.0F), 2.0F) << "no noise was added";
}

}  // namespace
}  // namespace sluice::digits
