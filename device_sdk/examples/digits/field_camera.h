// What a device's camera makes of the digits before it: dimmer, hazier, out of line and noisy, each
// device in its own way.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/random.h"
#include "device_sdk/examples/digits/images.h"

namespace sluice::digits {

/// How one camera, or one moment of it, changes an image.
struct CameraEffect {
  float gain = 1;         // of the ink: dim light
  float haze = 0;         // ink seen where there is none: a dirty lens
  float shift_right = 0;  // pixels: a loose mount
  float shift_down = 0;
  float noise = 0;  // standard deviation: a cheap sensor
};

/// A camera as they are found in the field, drawn from `random`.
CameraEffect DrawCamera(Random& random);
/// `image` as that camera shows it; noise comes from `random`.
Pixels Photograph(const Pixels& image, const CameraEffect& effect, Random& random);

/// The endless stream of images before one device's camera: always the same for the same device.
/// Not thread-safe.
class FieldCamera {
 public:
  /// REQUIRES: `scenes` is not empty; it must outlive the camera.
  FieldCamera(const Images& scenes, std::string_view device_id);
  LabelledImage Next();

 private:
  const Images& scenes_;
  SeededRandom random_;
  CameraEffect effect_;
};

}  // namespace sluice::digits
