#include "rollout_engine/engine/look_record.h"

#include <algorithm>
#include <utility>

#include "common/crypto/digest.h"
#include "rollout_engine/core/suspects.h"
#include "rollout_engine/engine/stored_json.h"
#include "rollout_engine/snapshot/snapshot_json.h"

namespace sluice {
namespace {

std::string_view Word(bool pass, bool fail) {
  return fail ? "fail" : pass ? "pass" : "inconclusive";
}

void Fill(const VerdictResult& r, CriterionSummary& criterion) {
  criterion.observed = r.m > 0 ? static_cast<double>(r.x) / static_cast<double>(r.m) : 0;
  criterion.control = r.m0 > 0 ? static_cast<double>(r.x0) / static_cast<double>(r.m0) : 0;
  criterion.lo = criterion.hi = criterion.observed;
  criterion.limit = r.p0;
  criterion.devices = r.m;
  criterion.verdict = Word(r.ok && r.promotable, r.ok && r.exceeds);
}

void Fill(const RatioResult& r, CriterionSummary& criterion) {
  criterion.devices = r.m.value_or(0);
  criterion.verdict = Word(r.ok && r.promotable, r.ok && r.exceeds && r.broad);
  if (!r.ok) return;
  const bool is_drop =
      !r.env_shared.has_value();  // a difference already: what the control arm shows is no drop
  criterion.observed = r.theta;
  criterion.control = is_drop ? 0 : r.control_raw;
  criterion.lo = is_drop ? r.lcb : std::max(0.0, r.lcb);
  criterion.hi = r.theta + r.b_rollback * r.se;
}

/// What the test arm of `scope` has done since the stage began.
std::int64_t CountTested(const JudgeInput& input, const std::string& scope, std::size_t metric) {
  double n = 0;
  for (const JudgedDevice& device : input.devices) {
    if (device.arm != Arm::kTest || (scope != "fleet" && scope != device.stratum)) continue;
    n += device.cum[metric].n;
  }
  return static_cast<std::int64_t>(n);
}

Json ToJson(const LookSummary& summary) {
  Json criteria = Json::array();
  for (const CriterionSummary& c : summary.criteria) {
    criteria.push_back({c.criterion, c.scope, c.observed, c.control, c.lo, c.hi, c.limit, c.devices,
                        c.inferences, c.verdict});
  }
  return {{"stage", summary.stage},
          {"look", summary.look},
          {"variant", summary.variant},
          {"test_n", summary.test_n},
          {"control_n", summary.control_n},
          {"verdict", summary.verdict},
          {"sentence", summary.sentence},
          {"ts", summary.ts_ms},
          {"criteria", std::move(criteria)},
          {"scope", summary.scope},
          {"suspects", summary.suspects},
          {"latency_p99_ms", {summary.test_latency_p99_ms, summary.control_latency_p99_ms}}};
}

LookSummary SummaryFrom(const Json& json) {
  LookSummary summary{.stage = json.at("stage"),
                      .look = json.at("look"),
                      .variant = json.at("variant"),
                      .test_n = json.at("test_n"),
                      .control_n = json.at("control_n"),
                      .verdict = json.at("verdict"),
                      .sentence = json.at("sentence"),
                      .ts_ms = json.at("ts")};
  if (const auto p99_ms = json.find("latency_p99_ms"); p99_ms != json.end()) {
    summary.test_latency_p99_ms = p99_ms->at(0);
    summary.control_latency_p99_ms = p99_ms->at(1);
  }
  json.at("scope").get_to(summary.scope);
  json.at("suspects").get_to(summary.suspects);
  for (const Json& row : json.at("criteria")) {
    summary.criteria.push_back({row.at(0), row.at(1), row.at(2), row.at(3), row.at(4), row.at(5),
                                row.at(6), row.at(7), row.at(8), row.at(9)});
  }
  return summary;
}

}  // namespace

std::string_view VerdictWord(Decision decision) noexcept {
  switch (decision) {
    case Decision::kContinue:
      return "pending";
    case Decision::kPromote:
      return "pass";
    case Decision::kHold:
      return "inconclusive";
    case Decision::kRollBack:
      return "fail";
  }
  return "pending";
}

LookSummary Summarise(const JudgeInput& input, const JudgeOutput& output, std::int32_t stage,
                      std::int32_t variant, std::int64_t ts_ms) {
  LookSummary summary{.stage = stage,
                      .look = input.look,
                      .variant = variant,
                      .verdict = std::string(VerdictWord(output.decision)),
                      .sentence = output.sentence,
                      .ts_ms = ts_ms};
  Suspects suspects = FindSuspects(input, output);
  summary.scope = std::move(suspects.scope);
  summary.suspects = std::move(suspects.devices);
  for (const JudgedDevice& device : input.devices)
    ++(device.arm == Arm::kTest ? summary.test_n : summary.control_n);
  for (const auto& [key, result] : output.results) {
    // SCOPE/VERDICT_TEST or SCOPE/METRIC/WINDOW; people are shown the cumulative windows.
    const std::size_t first = key.find('/');
    const std::size_t second = key.find('/', first + 1);
    if (second != std::string::npos && key.substr(second + 1) != "cumulative") continue;
    CriterionSummary criterion{.criterion = key.substr(first + 1, second - first - 1),
                               .scope = key.substr(0, first)};
    for (std::size_t metric = 0; metric < kMetricCount; ++metric) {
      if (criterion.criterion != MetricName(static_cast<Metric>(metric))) continue;
      criterion.limit = input.config.limits[metric].value_or(0);
      criterion.inferences = CountTested(input, criterion.scope, metric);
    }
    std::visit([&criterion](const auto& one) { Fill(one, criterion); }, result);
    summary.criteria.push_back(std::move(criterion));
  }
  return summary;
}

std::string EncodeLookRecord(const std::string& rollout, const JudgeInput& input,
                             const JudgeOutput& output, const LookSummary& summary,
                             bool with_input) {
  Sha256Stream digest;
  WriteInput(input, [&](std::string_view text) { digest.Update(AsBytes(text)); });
  Json record = {{"name", rollout + "/" + std::to_string(summary.stage) + "/" +
                              std::to_string(summary.look) + "/" + std::to_string(summary.variant)},
                 {"input_sha256", digest.Finish().Hex()},
                 {"expected", ToJson(output)},
                 {"tolerance_rel", kSnapshotToleranceRel},
                 {"summary", ToJson(summary)}};
  if (with_input) record["input"] = ToJson(input);
  return DumpJson(record);
}

Result<LookSummary> DecodeLookSummary(std::string_view key, ByteView value) {
  return ReadStoredJson(key, value,
                        [](const Json& json) { return SummaryFrom(json.at("summary")); });
}

}  // namespace sluice
