// What the judge reads and writes: one look at a stage, as data that can be stored and judged
// again.
//
// Named as in the JSON that a codec makes of it, member by member.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sluice {

/// "canary" (the test arm of any stage) and "control" in a snapshot.
enum class Arm : std::uint8_t { kTest, kControl };

enum class Metric : std::uint8_t { kErrorRate, kLatencyExceed, kAccuracyDrop };
inline constexpr std::array kMetrics = {Metric::kErrorRate, Metric::kLatencyExceed,
                                        Metric::kAccuracyDrop};
inline constexpr std::size_t kMetricCount = kMetrics.size();
std::string_view MetricName(Metric metric) noexcept;  // "error_rate", ...

enum class VerdictTest : std::uint8_t { kLost, kCrash, kUnhealthy };
inline constexpr std::array kVerdictTests = {VerdictTest::kLost, VerdictTest::kCrash,
                                             VerdictTest::kUnhealthy};
inline constexpr std::size_t kVerdictTestCount = kVerdictTests.size();
std::string_view VerdictTestName(VerdictTest test) noexcept;  // "lost_device_rate", ...

/// CONTINUE, PROMOTE, HOLD, ROLLBACK in a snapshot.
enum class Decision : std::uint8_t { kContinue, kPromote, kHold, kRollBack };
std::string_view DecisionName(Decision decision) noexcept;

/// Which y of which n: errors of inferences, slow ones of inferences, summed scores of labelled
/// outcomes.
struct RatioCount {
  double n = 0;
  double y = 0;
  friend bool operator==(const RatioCount&, const RatioCount&) = default;
};
using RatioCounts = std::array<RatioCount, kMetricCount>;  // by Metric

struct JudgedDevice {
  std::string id;
  Arm arm = Arm::kTest;
  std::string stratum;  // hardware; one that config.strata does not name counts in the fleet only
  double since_activation_s = 0;  // of a control device: since the stage's start
  double silence_s = 0;
  double crashes = 0;
  RatioCounts cum{};
  RatioCounts epoch{};
  std::optional<RatioCounts> pre = std::nullopt;  // on the former release; nothing = no history
  friend bool operator==(const JudgedDevice&, const JudgedDevice&) = default;
};

struct JudgeConfig {
  std::array<std::optional<double>, kMetricCount> limits;  // nothing = not tested
  double alpha = 0.01;
  std::int32_t planned_looks = 1;
  std::int32_t epochs = 1;
  std::vector<std::string> strata;
  double tau = 0.02;    // tolerated share of outlying devices
  double delta = 0.02;  // allowed above control in the verdict tests
  double interval_s = 300;
  std::int32_t grace_looks = 3;
  // Optional members of a snapshot; the defaults are what their absence means.
  std::array<std::optional<double>, kVerdictTestCount> deltas;  // override delta
  double promote_alpha = 0.05;
  std::int32_t min_devices = 20;  // raises the 20 that promotion needs
  bool extendable = false;        // the soak may outlast planned_looks
  friend bool operator==(const JudgeConfig&, const JudgeConfig&) = default;
};

/// The last concurrent control of one key, for scopes that have none any more. `x0` and `m0` are
/// verdict tests'.
struct FormerControl {
  double theta = 0;
  double variance = 0;
  double m = 0;
  double raw = 0;
  double x0 = 0;
  double m0 = 0;
  friend bool operator==(const FormerControl&, const FormerControl&) = default;
};

/// What one look hands to the next. Keys are "SCOPE/METRIC/WINDOW" or "SCOPE/VERDICT_TEST".
struct JudgeState {
  std::map<std::string, double> iref;
  std::optional<std::map<std::string, FormerControl>> control;  // nothing = not kept
  friend bool operator==(const JudgeState&, const JudgeState&) = default;
};

struct JudgeInput {
  JudgeConfig config;
  std::int32_t look = 1;
  std::int64_t elapsed_s = 0;
  bool at_soak_end = false;
  JudgeState state;
  std::vector<JudgedDevice> devices;
  friend bool operator==(const JudgeInput&, const JudgeInput&) = default;
};

/// Insufficient: `p_value`, `exceeds` and `promotable` mean nothing.
struct VerdictResult {
  bool ok = false;
  double p0 = 0;
  double p_value = 1;
  bool exceeds = false;
  bool promotable = false;
  std::int64_t x = 0, m = 0, x0 = 0, m0 = 0;
};

/// Insufficient: only `alpha`, and `m` if both arms have two rows, mean something.
struct RatioResult {
  bool ok = false;
  double alpha = 0;
  std::optional<std::int64_t> m = std::nullopt;
  std::int64_t m_control = 0;
  double theta = 0, se = 0;
  double x = 0, iref = 0;  // information, relative to the first eligible look
  double b_rollback = 0, b_promote = 0;
  double lcb = 0, ucb = 0;
  double diff = 0, diff_lcb = 0;
  double beta = 0;
  double test_raw = 0, control_raw = 0;
  bool promotable = false;
  bool exceeds = false;
  std::optional<bool> env_shared = std::nullopt;  // not of accuracy
  std::optional<double> trimmed = std::nullopt;   // these two: only if exceeds
  bool broad = false;
};

using TestResult = std::variant<VerdictResult, RatioResult>;

/// What a HOLD rests on, so that a rollout knows what lifts it.
enum class HoldCause : std::uint8_t {
  kNone,
  kEnvironment,      // the control is equally bad: lifts by itself
  kConcentration,    // a few devices: an operator lifts it
  kNotShown,         // soak end without evidence: the soak goes on
  kInstallFailures,  // these three are gates of the rollout machine, never the judge's
  kMemory,
  kFailed,  // shown violated, but the file says auto_rollback: false
};

struct JudgeOutput {
  Decision decision = Decision::kContinue;
  bool brake = false;
  std::string sentence;
  std::vector<std::pair<std::string, TestResult>> results;  // in the order of keys in sentences
  JudgeState state;
  // Derived from the results; not members of a snapshot.
  HoldCause hold_cause = HoldCause::kNone;
  bool fleet_fails = false;
  std::vector<std::string> failed_strata;
};

}  // namespace sluice
