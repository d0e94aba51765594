#include "device_sdk/examples/digits/release_files.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace sluice::digits {
namespace {

constexpr const char* kValidationFile = "validation.bin";

Status WriteFile(const std::filesystem::path& path, ByteView bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) return Fail(ErrorCode::kIo, path.string() + ": cannot be written");
  return {};
}

/// For `sluice release create --meta`. The metric "accuracy" is what the manifest expects of the
/// validation set.
std::string MetaYaml(const TrainedRelease& release) {
  return fmt::format(
      "# {}\n"
      "model: {}\n"
      "hardware: [edge-a, edge-b]\n"
      "format: {}\n"
      "runtime_abi: {}\n"
      "metrics: {{accuracy: {:.4f}}}\n"
      "validation: {{file: {}, accuracy_tolerance: 0.02}}\n"
      "limits: {{error_rate_max: 0.01, latency_p99_max_ms: 50, accuracy_drop_max: 0.02}}\n",
      release.note, kModelName, kModelFormat, kRuntimeAbi, release.expected_accuracy,
      kValidationFile);
}

std::string MetricsJson(const TrainedRelease& release) {
  const nlohmann::ordered_json metrics = {{"release", release.name},
                                          {"note", release.note},
                                          {"validate_accuracy", release.validate_accuracy},
                                          {"field_accuracy", release.field_accuracy}};
  return metrics.dump(2) + "\n";
}

}  // namespace

Status WriteReleases(const std::filesystem::path& directory,
                     const std::vector<TrainedRelease>& releases, const Images& validate) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Fail(ErrorCode::kIo, directory.string() + ": " + error.message());
  SLUICE_TRY(WriteFile(directory / kValidationFile, EncodeValidationSet(validate)));
  for (const TrainedRelease& release : releases) {
    const Bytes model = WriteSafetensors(ToTensors(release.mlp));
    SLUICE_TRY(WriteFile(directory / (release.name + ".safetensors"), model));
    SLUICE_TRY(WriteFile(directory / (release.name + ".meta.yaml"), AsBytes(MetaYaml(release))));
    SLUICE_TRY(
        WriteFile(directory / (release.name + ".metrics.json"), AsBytes(MetricsJson(release))));
  }
  return {};
}

}  // namespace sluice::digits
