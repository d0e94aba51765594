// The files that `sluice release create` takes: model, metadata, validation set, and the figures as
// measured.
#pragma once

#include <filesystem>

#include "device_sdk/examples/digits/releases.h"

namespace sluice::digits {

inline constexpr const char* kModelName = "digits";
inline constexpr const char* kModelFormat = "safetensors";
inline constexpr const char* kRuntimeAbi = "digits-1";

/// Writes NAME.safetensors, NAME.meta.yaml and NAME.metrics.json of each release and validation.bin
/// into `directory`, which is made if need be. E_IO.
Status WriteReleases(const std::filesystem::path& directory,
                     const std::vector<TrainedRelease>& releases, const Images& validate);

}  // namespace sluice::digits
