#include "tests/bench/delta/delta_results.h"

#include <algorithm>

namespace sluice::bench {
namespace {

constexpr double kSlackPoints = 0.5;
constexpr double kSnappedPercentMax = 11;
constexpr double kSpeedupMin = 2;
// Head and table of a payload: 104 bytes and 40 for each 64 KiB.
constexpr double kTablePercent = 100.0 * 40 / 65'536;

struct MeanGoal {
  const char* name;
  std::size_t pairs;  // the goal is for a corpus of exactly so many
  double percent_max;
  bool counts_published, counts_trained;
};
constexpr std::array kMeanGoals = {MeanGoal{"mean of the published pairs", 14, 56.2, true, false},
                                   MeanGoal{"mean of the trained pairs", 10, 25.2, false, true},
                                   MeanGoal{"mean of all pairs", 24, 43.3, true, true}};

void AddMeans(const DeltaResults& results, std::vector<Goal>& goals) {
  for (const MeanGoal& mean : kMeanGoals) {
    double sum = 0;
    std::size_t count = 0;
    for (const PairResult& result : results.pairs) {
      if (result.pair.is_made) continue;
      if (!(result.pair.published ? mean.counts_published : mean.counts_trained)) continue;
      sum += result.PercentOf(kOursL);
      ++count;
    }
    if (count != mean.pairs) continue;
    goals.push_back({std::string(mean.name) + ", percent of full", sum / static_cast<double>(count),
                     mean.percent_max});
  }
}

void AddPairGoals(const PairResult& result, std::vector<Goal>& goals) {
  goals.push_back({result.pair.id + (result.baseline ? ": points above the prototype and rdiff"
                                                     : ": points above rdiff + zstd -19"),
                   result.PercentOf(kOursL) - result.Percent(result.BarBytes()), kSlackPoints});
  const double head = result.Percent(104) + kTablePercent;
  goals.push_back({result.pair.id + ": full payload, points above zstd -19 and the table",
                   result.PercentOf(kOursFull) - result.PercentOf(kZstdFull) - head, kSlackPoints});
}

nlohmann::json CostJson(const ProcessCost& cost) {
  return {{"wall_s", cost.wall_s}, {"cpu_s", cost.cpu_s}, {"peak_rss_bytes", cost.peak_rss_bytes}};
}

}  // namespace

std::uint64_t PairResult::BestPeerBytes() const {
  std::uint64_t best = UINT64_MAX;
  for (const char* peer : {kRdiff, kBsdiff, kXdelta, kZstdPatch, kZstdFull}) {
    if (const auto run = runs.find(peer); run != runs.end())
      best = std::min(best, run->second.patch_bytes);
  }
  if (baseline && baseline->best_peer) best = std::min(best, *baseline->best_peer);
  return best;
}

std::uint64_t PairResult::BarBytes() const {
  if (!baseline) return runs.at(kRdiff).patch_bytes;
  return std::min(baseline->prototype, baseline->best_rdiff.value_or(UINT64_MAX));
}

std::vector<Goal> DeltaGoals(const DeltaResults& results) {
  std::vector<Goal> goals;
  for (const PairResult& result : results.pairs) AddPairGoals(result, goals);
  AddMeans(results, goals);
  if (results.snapped) {
    goals.push_back({results.snapped->pair + " snapped at 0.5, percent of full",
                     results.snapped->percent, kSnappedPercentMax});
  }
  for (const SnappedAccuracy& accuracy : results.snapped_digits.accuracies) {
    goals.push_back({"digits snapped at 0.5, standard errors lost on " + accuracy.images,
                     (accuracy.exact - accuracy.snapped) / accuracy.StandardError(), 1});
  }
  const CodecSpeed speed = SumOf(results.codec_speeds);
  goals.push_back({"times the plain coder's encoding speed", speed.plain_encode_s / speed.encode_s,
                   kSpeedupMin, Bound::kAtLeast});
  goals.push_back({"times the plain coder's decoding speed", speed.plain_decode_s / speed.decode_s,
                   kSpeedupMin, Bound::kAtLeast});
  return goals;
}

nlohmann::json DeltaRows(const DeltaResults& results) {
  nlohmann::json rows = nlohmann::json::array();
  for (const PairResult& result : results.pairs) {
    nlohmann::json row = {{"pair", result.pair.id},
                          {"kind", result.pair.kind},
                          {"dtype", result.pair.dtype},
                          {"made", result.pair.is_made},
                          {"artifact_bytes", result.pair.new_bytes},
                          {"kills", result.kills}};
    for (const auto& [name, run] : result.runs) {
      row["tools"][name] = {{"bytes", run.patch_bytes},
                            {"encode", CostJson(run.encode)},
                            {"decode", CostJson(run.decode)}};
    }
    rows.push_back(std::move(row));
  }
  for (const CodecSpeed& speed : results.codec_speeds) {
    rows.push_back({{"element_codec", speed.name},
                    {"element_bytes", speed.element_bytes},
                    {"coded_bytes", speed.coded_bytes},
                    {"plain_bytes", speed.plain_bytes},
                    {"encode_s", speed.encode_s},
                    {"decode_s", speed.decode_s},
                    {"plain_encode_s", speed.plain_encode_s},
                    {"plain_decode_s", speed.plain_decode_s}});
  }
  return rows;
}

CodecSpeed SumOf(const std::vector<CodecSpeed>& speeds) {
  CodecSpeed sum{.name = "all"};
  for (const CodecSpeed& speed : speeds) {
    sum.element_bytes += speed.element_bytes;
    sum.coded_bytes += speed.coded_bytes;
    sum.plain_bytes += speed.plain_bytes;
    sum.encode_s += speed.encode_s;
    sum.decode_s += speed.decode_s;
    sum.plain_encode_s += speed.plain_encode_s;
    sum.plain_decode_s += speed.plain_decode_s;
  }
  return sum;
}

}  // namespace sluice::bench
