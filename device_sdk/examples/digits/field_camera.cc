#include "device_sdk/examples/digits/field_camera.h"

#include <algorithm>
#include <cmath>

#include "common/base/check.h"

namespace sluice::digits {
namespace {

constexpr int kSide = static_cast<int>(kImageSide);

/// FNV-1a: the same device has the same camera on every machine.
std::uint64_t SeedOf(std::string_view device_id) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : device_id) {
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  }
  return hash;
}

float Between(Random& random, float low, float high) {
  return low + static_cast<float>(random.Unit()) * (high - low);
}

/// Close to a normal distribution with deviation 1: the sum of 12 uniform numbers, less its mean.
float Noise(Random& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += random.Unit();
  return static_cast<float>(sum);
}

float InkAt(const Pixels& image, int row, int column) {
  if (row < 0 || row >= kSide || column < 0 || column >= kSide) return 0;
  return image[static_cast<std::size_t>(row) * kImageSide + static_cast<std::size_t>(column)];
}

/// The ink between four pixels.
float Interpolate(const Pixels& image, float row, float column) {
  const float top = std::floor(row);
  const float left = std::floor(column);
  const int r = static_cast<int>(top);
  const int c = static_cast<int>(left);
  const float down = row - top;
  const float right = column - left;
  return (1 - down) * ((1 - right) * InkAt(image, r, c) + right * InkAt(image, r, c + 1)) +
         down * ((1 - right) * InkAt(image, r + 1, c) + right * InkAt(image, r + 1, c + 1));
}

}  // namespace

CameraEffect DrawCamera(Random& random) {
  CameraEffect effect;
  effect.gain = Between(random, 0.45F, 0.75F);
  effect.haze = Between(random, 0.15F, 0.25F);
  effect.shift_right = Between(random, -0.4F, 0.4F);
  effect.shift_down = Between(random, -0.4F, 0.4F);
  effect.noise = Between(random, 0.03F, 0.06F);
  return effect;
}

Pixels Photograph(const Pixels& image, const CameraEffect& effect, Random& random) {
  Pixels seen;
  auto pixel = seen.begin();
  for (int row = 0; row < kSide; ++row) {
    for (int column = 0; column < kSide; ++column) {
      const float ink = Interpolate(image, static_cast<float>(row) - effect.shift_down,
                                    static_cast<float>(column) - effect.shift_right);
      const float value = effect.haze + effect.gain * ink + effect.noise * Noise(random);
      *pixel++ = std::clamp(value, 0.0F, 1.0F);
    }
  }
  return seen;
}

FieldCamera::FieldCamera(const Images& scenes, std::string_view device_id)
    : scenes_(scenes), random_(SeedOf(device_id)), effect_(DrawCamera(random_)) {
  SLUICE_CHECK(!scenes.empty());
}

LabelledImage FieldCamera::Next() {
  const LabelledImage& scene = scenes_[random_.Below(scenes_.size())];
  return {Photograph(scene.pixels, effect_, random_), scene.label};
}

}  // namespace sluice::digits
