// The four releases of the example: two good ones, a broken one and a treacherous one, all from one
// seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device_sdk/examples/digits/mlp.h"

namespace sluice::digits {

/// The seed that the demo and the docs quote figures of.
inline constexpr std::uint64_t kDefaultSeed = 4;

struct TrainedRelease {
  std::string name;
  std::string note;  // one sentence for people
  Mlp mlp;
  double validate_accuracy = 0;  // on the validation set, 0..1
  double field_accuracy = 0;     // on what many cameras see, 0..1
  /// What its publisher believes and the manifest says of the validation set: as measured, but for
  /// the broken release, which broke after it was measured.
  double expected_accuracy = 0;
};

/// digits-v1 to digits-v4, some seconds of work. The same images and seed give the same bytes.
std::vector<TrainedRelease> TrainReleases(const DigitImages& images, std::uint64_t seed);

/// The same scenes before the cameras of many devices: what accuracy in the field is measured on.
Images PhotographField(const Images& scenes);

}  // namespace sluice::digits
