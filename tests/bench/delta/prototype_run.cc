#include "tests/bench/delta/prototype_run.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "rollout_engine/payload/tensor_map.h"

namespace sluice::bench {
namespace {

// In less nothing but the start of programs is measured.
constexpr std::uint64_t kArtifactBytesMin = 1 << 20;

// Tensors as DELTA operations of its map, everything else as gaps, which it leaves to others.
void WriteMap(std::ofstream& map, const TensorExtentList& extents, std::uint64_t size) {
  std::uint64_t at = 0;
  const auto gap_to = [&](std::uint64_t end) {
    if (end > at) map << "G " << at << " " << end - at << " 0 5\n";
  };
  for (const TensorExtent& extent : extents) {
    // It knows neither i16 nor tensors without an old one.
    if (!extent.base_offset || extent.kind == ElementKind::kI16) continue;
    gap_to(extent.offset);
    map << (extent.kind == ElementKind::kBytes ? "G " : "D ") << extent.offset << " "
        << extent.length << " " << *extent.base_offset << " " << static_cast<int>(extent.kind)
        << "\n";
    at = extent.offset + extent.length;
  }
  gap_to(size);
}

Bytes ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

// In a process of its own, so that the files do not count as memory of what is measured later.
// Returns whether there is anything to measure.
bool MakeMap(const ModelPair& pair, const std::string& path) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const Bytes base = ReadAll(pair.old_path);
    const Bytes artifact = ReadAll(pair.new_path);
    const TensorExtentList extents = MapTensors(base, artifact);
    std::ofstream map(path);
    WriteMap(map, extents, artifact.size());
    map.flush();
    const bool any = std::ranges::any_of(
        extents, [](const TensorExtent& extent) { return extent.base_offset.has_value(); });
    ::_exit(any && map ? 0 : 1);
  }
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Ours is a large program: starting it is no part of a codec's speed.
Result<double> StartSeconds(const std::string& sluice, const std::string& work) {
  double least = 1e9;
  for (int i = 0; i < 5; ++i) {
    SLUICE_ASSIGN(const ProcessCost cost, RunMeasured({sluice, "--version"}, work + "/log"));
    least = std::min(least, cost.wall_s);
  }
  return least;
}

}  // namespace

Result<PrototypeSpeed> MeasurePrototype(const std::vector<PairResult>& pairs,
                                        const std::string& program, const std::string& sluice,
                                        const std::string& work) {
  PrototypeSpeed speed;
  std::filesystem::create_directories(work);
  SLUICE_ASSIGN(const double start_s, StartSeconds(sluice, work));
  for (const PairResult& result : pairs) {
    const ModelPair& pair = result.pair;
    if (pair.new_bytes < kArtifactBytesMin || pair.is_made) continue;
    const std::string map = work + ".map";
    if (!MakeMap(pair, map)) continue;
    const ToolFiles files{pair.old_path, pair.new_path, work};
    const std::string patch = work + "/patch";
    std::filesystem::create_directories(work);
    SLUICE_ASSIGN(
        const ProcessCost encode,
        RunMeasured({program, "e", pair.old_path, pair.new_path, map, patch, "64"}, work + "/log"));
    SLUICE_ASSIGN(const ProcessCost decode,
                  RunMeasured({program, "d", pair.old_path, patch, work + "/out"}, work + "/log"));
    speed.prototype_encode_s += encode.wall_s;
    speed.prototype_decode_s += decode.wall_s;
    const DeltaTool tool{
        "elem",
        {{sluice, "delta", "make", "{old}", "{new}", "-o", "{work}/patch", "--codec", "elem"}},
        {{sluice, "delta", "apply", "{old}", "{work}/patch", "-o", "{work}/out"}}};
    SLUICE_ASSIGN(const ToolRun ours, RunTool(tool, files));
    speed.ours_encode_s += ours.encode.wall_s - start_s;
    speed.ours_decode_s += ours.decode.wall_s - start_s;
    std::filesystem::remove(map);
  }
  return speed;
}

}  // namespace sluice::bench
