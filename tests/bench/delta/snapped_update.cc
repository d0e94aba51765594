#include "tests/bench/delta/snapped_update.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "device_sdk/examples/digits/releases.h"
#include "device_sdk/examples/digits/trainer.h"
#include "tests/bench/delta/delta_tool.h"

namespace sluice::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStep = "0.5";

double Percent(std::uint64_t part, std::uint64_t whole) {
  return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

DeltaTool OursFrom(const std::string& sluice, std::vector<std::string> more) {
  std::vector<std::string> make = {sluice, "delta", "make", "{old}", "{new}", "-o", "{work}/patch"};
  make.insert(make.end(), more.begin(), more.end());
  return {
      kOursL, {make}, {{sluice, "delta", "apply", "{old}", "{work}/patch", "-o", "{work}/out"}}};
}

/// Leaves the snapped model at `snapped`.
Result<double> PercentSnapped(const ModelPair& pair, const std::string& snapped,
                              const std::string& sluice, const std::string& work) {
  SLUICE_TRY(RunMeasured(
      {sluice, "delta", "snap", pair.old_path, pair.new_path, "--step", kStep, "-o", snapped},
      work + "/log"));
  const std::string record = snapped + ".snap.json";
  SLUICE_ASSIGN(const ToolRun run,
                RunTool(OursFrom(sluice, {"--snap", record}), {pair.old_path, snapped, work}));
  fs::remove(record);
  return Percent(run.patch_bytes, pair.new_bytes);
}

Status WriteModel(const digits::Mlp& mlp, const std::string& path) {
  const Bytes bytes = WriteSafetensors(ToTensors(mlp));
  std::ofstream file(path, std::ios::binary);
  file << AsText(bytes);
  if (!file.flush()) return Fail(ErrorCode::kIo, "cannot write " + path);
  return {};
}

Result<digits::Mlp> ReadModel(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const Bytes bytes(std::istreambuf_iterator<char>(file), {});
  SLUICE_ASSIGN(const digits::TensorFile tensors, digits::ReadSafetensors(bytes));
  return digits::FromTensors(tensors);
}

digits::Mlp TrainedOn(digits::Mlp mlp, const digits::Images& scenes) {
  SeededRandom random(digits::kDefaultSeed);
  digits::Train(mlp, digits::PhotographField(scenes),
                {.epochs = 5, .learning_rate = 1e-3F, .augment = {}}, random);
  return mlp;
}

}  // namespace

double SnappedAccuracy::StandardError() const {
  return std::sqrt(exact * (1 - exact) / static_cast<double>(count));
}

Result<SnappedResult> MeasureSnapped(const ModelPair& pair, const std::string& sluice,
                                     const std::string& work) {
  const std::string snapped = work + "-snapped";
  SLUICE_ASSIGN(const double percent, PercentSnapped(pair, snapped, sluice, work));
  fs::remove(snapped);
  return SnappedResult{pair.id, percent};
}

Result<SnappedDigits> MeasureSnappedDigits(const std::string& images, const std::string& sluice,
                                           const std::string& work) {
  SLUICE_ASSIGN(const digits::DigitImages digits, digits::LoadDigits(images));
  const digits::Mlp base = digits::TrainReleases(digits, digits::kDefaultSeed).front().mlp;
  const digits::Mlp exact = TrainedOn(base, digits.train);
  ModelPair pair;
  pair.id = "digits";
  pair.old_path = work + "-digits-old";
  pair.new_path = work + "-digits-new";
  SLUICE_TRY(WriteModel(base, pair.old_path));
  SLUICE_TRY(WriteModel(exact, pair.new_path));
  pair.new_bytes = fs::file_size(pair.new_path);
  SnappedDigits result;
  SLUICE_ASSIGN(const ToolRun as_it_is,
                RunTool(OursFrom(sluice, {}), {pair.old_path, pair.new_path, work}));
  result.exact_percent = Percent(as_it_is.patch_bytes, pair.new_bytes);
  const std::string snapped_path = work + "-digits-snapped";
  SLUICE_ASSIGN(result.snapped_percent, PercentSnapped(pair, snapped_path, sluice, work));
  SLUICE_ASSIGN(const digits::Mlp snapped, ReadModel(snapped_path));
  const auto add = [&](const char* name, const digits::Images& judged) {
    result.accuracies.push_back({name, judged.size(), digits::Accuracy(base, judged),
                                 digits::Accuracy(exact, judged),
                                 digits::Accuracy(snapped, judged)});
  };
  add("validation images", digits.validate);
  add("pictures of the field", digits::PhotographField(digits.field));
  for (const std::string& path : {pair.old_path, pair.new_path, snapped_path}) fs::remove(path);
  return result;
}

}  // namespace sluice::bench
