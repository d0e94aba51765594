// What is kept of a look: the decision with its inputs, in the layout of the decision vectors, and
// a summary for people.
#pragma once

#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "rollout_engine/core/judge_snapshot.h"

namespace sluice {

/// One criterion as people read it. `verdict`: pass, fail or inconclusive.
struct CriterionSummary {
  std::string criterion;
  std::string scope;  // "fleet" or a hardware
  double observed = 0;
  double control = 0;
  double lo = 0;
  double hi = 0;
  double limit = 0;
  std::int64_t devices = 0;
  std::int64_t inferences = 0;  // or labelled outcomes, of the test arm; 0 for what counts devices
  std::string verdict;
};

struct LookSummary {
  std::int32_t stage = 0;
  std::int32_t look = 0;
  std::int32_t variant = 0;
  std::int64_t test_n = 0;  // devices in the arm
  std::int64_t control_n = 0;
  // Merged from the sketches of an arm's devices, for people; -1 = none has come.
  double test_latency_p99_ms = -1;
  double control_latency_p99_ms = -1;
  std::string verdict = "pending";
  std::string sentence;
  std::int64_t ts_ms = 0;
  std::vector<CriterionSummary> criteria;
  std::string scope;                  // of the finding, "" = there is none
  std::vector<std::string> suspects;  // the devices that it comes from, the loudest first
};

/// pass, fail, inconclusive, or pending while the soak goes on.
std::string_view VerdictWord(Decision decision) noexcept;

LookSummary Summarise(const JudgeInput& input, const JudgeOutput& output, std::int32_t stage,
                      std::int32_t variant, std::int64_t ts_ms);

/// A JSON object: a decision vector when `with_input`, else the same with the SHA-256 of the input
/// in its place.
std::string EncodeLookRecord(const std::string& rollout, const JudgeInput& input,
                             const JudgeOutput& output, const LookSummary& summary,
                             bool with_input);
/// The summary in such a record. E_STORE_CORRUPT.
Result<LookSummary> DecodeLookSummary(std::string_view key, ByteView value);

}  // namespace sluice
