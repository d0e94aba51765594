// Payload sizes and times against plain zstd -19 of the file and against one librsync delta of the
// file in zstd -19, all in one run.
//
//   bench_delta [OLD NEW] [--json FILE]
//
// Without files it makes three pairs from seeds. Exits 0 only if every goal is reached.
#include <zstd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "common/base/check.h"
#include "rollout_engine/payload/apply.h"
#include "rollout_engine/payload/encoder.h"
#include "rollout_engine/payload/rsync_delta.h"
#include "tests/bench/report.h"
#include "tests/support/sample_models.h"

namespace sluice {
namespace {

using bench::Goal;

constexpr std::size_t kWeights = 1 << 20;
constexpr std::size_t kHeadBytes = kWeights * 4 / 50;

struct Pair {
  std::string name;
  Bytes base, artifact;
};

/// Sizes in bytes, times in ms of one run.
struct Row {
  std::string pair;
  std::uint64_t artifact = 0;
  std::uint64_t zstd19 = 0;        // of the whole artifact
  std::uint64_t rdiff_zstd19 = 0;  // one librsync delta of the whole artifact, in zstd
  std::uint64_t full_l = 0;
  std::uint64_t delta_s = 0, delta_m = 0, delta_l = 0;
  std::uint64_t delta_librsync = 0;  // class L, profile librsync
  double encode_ms = 0;              // of delta_l, its proof included
  double decode_ms = 0;              // of delta_l

  [[nodiscard]] double PercentOfFull(std::uint64_t bytes) const {
    return 100.0 * static_cast<double>(bytes) / static_cast<double>(artifact);
  }
};

class Stopwatch {
 public:
  [[nodiscard]] double Ms() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::uint64_t Zstd19Size(ByteView bytes) {
  Bytes frame(ZSTD_compressBound(bytes.size()));
  const std::size_t size =
      ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), 19);
  SLUICE_CHECK(ZSTD_isError(size) == 0);
  return size;
}

Result<Row> Measure(const Pair& pair) {
  Row row;
  row.pair = pair.name;
  row.artifact = pair.artifact.size();
  row.zstd19 = Zstd19Size(pair.artifact);
  SLUICE_ASSIGN(const BaseSignature signature, BaseSignature::Compute(pair.base));
  SLUICE_ASSIGN(const ExtentList extents, signature.Match(pair.artifact));
  row.rdiff_zstd19 = Zstd19Size(BuildRsyncDelta(extents, pair.artifact));

  SLUICE_ASSIGN(const EncodedPayload full, EncodePayload(std::nullopt, pair.artifact, {}));
  row.full_l = full.bytes.size();
  SLUICE_ASSIGN(const EncodedPayload s, EncodeDelta(signature, pair.artifact, {MemoryClass::kS}));
  row.delta_s = s.bytes.size();
  SLUICE_ASSIGN(const EncodedPayload m, EncodeDelta(signature, pair.artifact, {MemoryClass::kM}));
  row.delta_m = m.bytes.size();
  SLUICE_ASSIGN(const EncodedPayload librsync,
                EncodeDelta(signature, pair.artifact, {MemoryClass::kL, CodecProfile::kLibrsync}));
  row.delta_librsync = librsync.bytes.size();

  const Stopwatch encode;
  SLUICE_ASSIGN(const EncodedPayload l, EncodePayload(pair.base, pair.artifact, {}));
  row.encode_ms = encode.Ms();
  row.delta_l = l.bytes.size();
  const Stopwatch decode;
  SLUICE_ASSIGN(const Bytes applied,
                ApplyPayload(pair.base, l.bytes, MemoryClass::kL, kCodecMaskV1));
  row.decode_ms = decode.Ms();
  SLUICE_CHECK(applied == pair.artifact);
  return row;
}

std::vector<Pair> SeededPairs() {
  const Bytes base = WeightBytes(1, kWeights);
  return {{"head_only", base, WithNewHead(base, 2, kHeadBytes)},
          {"sparse_5_percent", base, WithMovedWeights(base, 3, 0.05, 1e-3)},
          {"every_weight", base, WithMovedWeights(base, 4, 1.0, 1e-4)}};
}

Result<Bytes> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Bytes bytes(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad()) {
    return Fail(ErrorCode::kIo, "cannot read " + path + "; give a file that exists");
  }
  return bytes;
}

std::vector<Goal> GoalsOf(const std::vector<Row>& rows) {
  std::vector<Goal> goals;
  for (const Row& row : rows) {
    if (row.pair == "head_only") {
      goals.push_back({"head-only update, percent of full", row.PercentOfFull(row.delta_l), 10});
    }
    if (row.pair == "sparse_5_percent") {
      goals.push_back(
          {"5 % of weights moved, percent of full", row.PercentOfFull(row.delta_l), 15});
    }
    goals.push_back({row.pair + ": full payload, points of size above zstd -19 of the file",
                     row.PercentOfFull(row.full_l) - row.PercentOfFull(row.zstd19), 4});
    goals.push_back({row.pair + ": delta, points of size above librsync + zstd -19 of the file",
                     row.PercentOfFull(row.delta_l) - row.PercentOfFull(row.rdiff_zstd19), 0.5});
  }
  return goals;
}

void Print(const std::vector<Row>& rows) {
  std::printf("%-18s %10s | %8s %8s | %8s %8s %8s %8s %8s | %9s %9s\n", "pair", "bytes", "zstd19",
              "rdiff+z", "full L", "delta S", "delta M", "delta L", "librsync", "encode ms",
              "decode ms");
  for (const Row& row : rows) {
    std::printf("%-18s %10llu |", row.pair.c_str(), static_cast<unsigned long long>(row.artifact));
    std::printf(" %7.2f%% %7.2f%% |", row.PercentOfFull(row.zstd19),
                row.PercentOfFull(row.rdiff_zstd19));
    for (const std::uint64_t bytes :
         {row.full_l, row.delta_s, row.delta_m, row.delta_l, row.delta_librsync}) {
      std::printf(" %7.2f%%", row.PercentOfFull(bytes));
    }
    std::printf(" | %9.0f %9.0f\n", row.encode_ms, row.decode_ms);
  }
}

nlohmann::json ToJson(const std::vector<Row>& rows) {
  nlohmann::json list = nlohmann::json::array();
  for (const Row& row : rows) {
    list.push_back({{"pair", row.pair},
                    {"artifact_bytes", row.artifact},
                    {"zstd19_bytes", row.zstd19},
                    {"rdiff_zstd19_bytes", row.rdiff_zstd19},
                    {"full_l_bytes", row.full_l},
                    {"delta_s_bytes", row.delta_s},
                    {"delta_m_bytes", row.delta_m},
                    {"delta_l_bytes", row.delta_l},
                    {"delta_librsync_bytes", row.delta_librsync},
                    {"encode_ms", row.encode_ms},
                    {"decode_ms", row.decode_ms}});
  }
  return list;
}

struct Arguments {
  std::vector<std::string> files;  // none, or OLD and NEW
  std::string json;                // empty: none
};

Result<Arguments> ParseArguments(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--json" && i + 1 < words.size()) {
      arguments.json = words[++i];
    } else {
      arguments.files.push_back(words[i]);
    }
  }
  if (arguments.files.size() == 1 || arguments.files.size() > 2) {
    return Fail(ErrorCode::kUsage, "bench_delta [OLD NEW] [--json FILE]");
  }
  return arguments;
}

// Whether every goal was reached.
Result<bool> Run(const std::vector<std::string>& words) {
  SLUICE_ASSIGN(const Arguments arguments, ParseArguments(words));
  std::vector<Pair> pairs;
  if (arguments.files.empty()) {
    pairs = SeededPairs();
  } else {
    SLUICE_ASSIGN(Bytes base, ReadFile(arguments.files[0]));
    SLUICE_ASSIGN(Bytes artifact, ReadFile(arguments.files[1]));
    if (base.empty() || artifact.empty()) {
      return Fail(ErrorCode::kArtifactEmpty, "both files need at least 1 byte");
    }
    pairs.push_back({"files", std::move(base), std::move(artifact)});
  }
  std::vector<Row> rows;
  for (const Pair& pair : pairs) {
    SLUICE_ASSIGN(Row row, Measure(pair));
    rows.push_back(std::move(row));
  }
  const std::vector<Goal> goals = GoalsOf(rows);
  Print(rows);
  const bool reached = bench::PrintGoals(goals);
  if (!arguments.json.empty()) {
    SLUICE_TRY(
        bench::WriteJson(arguments.json, goals, ToJson(rows), {{"zstd", ZSTD_versionString()}}));
  }
  return reached;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const auto reached = sluice::Run(std::vector<std::string>(argv + 1, argv + argc));
  if (!reached) {
    std::fprintf(stderr, "%s\n", reached.error().Line().c_str());
    return 2;
  }
  return *reached ? 0 : 1;
}
