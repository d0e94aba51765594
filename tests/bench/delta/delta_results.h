// What the delta benchmark measured, and whether it is good enough.
#pragma once

#include <nlohmann/json.hpp>

#include "tests/bench/delta/codec_speed.h"
#include "tests/bench/delta/delta_corpus.h"
#include "tests/bench/delta/delta_tool.h"
#include "tests/bench/delta/snapped_update.h"
#include "tests/bench/report.h"

namespace sluice::bench {

struct PairResult {
  ModelPair pair;
  std::map<std::string, ToolRun> runs;  // by the tool's name
  std::size_t kills = 0;                // that its decoder went on after
  std::optional<Baseline> baseline;
  std::string reason;  // why it stays above its best peer, if somebody knows

  [[nodiscard]] double Percent(std::uint64_t bytes) const {
    return 100.0 * static_cast<double>(bytes) / static_cast<double>(pair.new_bytes);
  }
  /// Of the full artifact, what this tool sends.
  [[nodiscard]] double PercentOf(const std::string& tool) const {
    return Percent(runs.at(tool).patch_bytes);
  }
  /// The smallest of the other tools, of this run and of the baseline.
  [[nodiscard]] std::uint64_t BestPeerBytes() const;
  /// What sluice must not exceed by more than half a point: the prototype and rdiff + zstd.
  [[nodiscard]] std::uint64_t BarBytes() const;
};

struct DeltaResults {
  std::vector<PairResult> pairs;
  std::optional<SnappedResult> snapped;
  SnappedDigits snapped_digits;
  std::vector<CodecSpeed> codec_speeds;
};

/// Points above the best peer from which on a pair is named in the report.
inline constexpr double kNamedAbovePeer = 0.5;

std::vector<Goal> DeltaGoals(const DeltaResults& results);
nlohmann::json DeltaRows(const DeltaResults& results);

/// All of them together.
CodecSpeed SumOf(const std::vector<CodecSpeed>& speeds);

}  // namespace sluice::bench
