#include "rollout_engine/core/judge.h"

#include <algorithm>
#include <tuple>

#include "rollout_engine/core/judge_sentence.h"

namespace sluice {
namespace {

constexpr std::int32_t kPromoteDevicesMin = 20;
constexpr double kBrakeP = 1e-3;
constexpr double kBrakeSigmas = 3;

/// One test with what is needed to weigh and to name it.
struct Judged {
  std::string key;
  const Scope* scope = nullptr;
  std::string_view name;
  std::size_t priority = 0;  // of its kind: metrics first, in the order of the file, then devices
  Window window = Window::kCumulative;
  double limit = 0;
  TestResult result = {};

  [[nodiscard]] Finding AsFinding() const {
    return {.scope = scope,
            .name = name,
            .window = window,
            .limit = limit,
            .ratio = std::get_if<RatioResult>(&result),
            .verdict = std::get_if<VerdictResult>(&result)};
  }
};

bool IsFail(const Judged& judged) {
  if (const auto* verdict = std::get_if<VerdictResult>(&judged.result)) {
    return verdict->ok && verdict->exceeds;
  }
  const auto& ratio = std::get<RatioResult>(judged.result);
  return ratio.exceeds && ratio.broad;
}

bool IsHold(const Judged& judged) {
  const auto* ratio = std::get_if<RatioResult>(&judged.result);
  if (ratio == nullptr) return false;
  return (ratio->exceeds && !ratio->broad) || ratio->env_shared.value_or(false);
}

bool IsPromotable(const Judged& judged) {
  return std::visit([](const auto& result) { return result.ok && result.promotable; },
                    judged.result);
}

bool IsSuspicious(const Judged& judged) {
  if (const auto* verdict = std::get_if<VerdictResult>(&judged.result)) {
    return verdict->ok && verdict->p_value <= kBrakeP;
  }
  const auto& ratio = std::get<RatioResult>(judged.result);
  return ratio.ok && ratio.theta - kBrakeSigmas * ratio.se > judged.limit;
}

/// What must be shown within limits before a stage is promoted. A first release has nothing to
/// compare its accuracy with: the validation set on the device stands in.
bool IsNeededToPromote(const Judged& judged) {
  return judged.scope->is_fleet && judged.window == Window::kCumulative;
}

/// The first finding by what concerns people most: the fleet before a hardware, a cumulative window
/// before an epoch.
const Judged* FirstOf(const std::vector<Judged>& all, bool (*is_one)(const Judged&)) {
  const auto rank = [](const Judged& judged) {
    return std::tuple(!judged.scope->is_fleet, judged.priority,
                      judged.window != Window::kCumulative);
  };
  const Judged* first = nullptr;
  for (const Judged& judged : all) {
    if (is_one(judged) && (first == nullptr || rank(judged) < rank(*first))) first = &judged;
  }
  return first;
}

std::vector<std::string> KeysOf(const std::vector<Judged>& all, bool (*is_one)(const Judged&)) {
  std::vector<std::string> keys;
  for (const Judged& judged : all) {
    if (is_one(judged)) keys.push_back(judged.key);
  }
  return keys;
}

bool IsMissing(const Judged& judged) { return IsNeededToPromote(judged) && !IsPromotable(judged); }

/// Answers every question of one scope and carries its state on.
class ScopeJudge {
 public:
  ScopeJudge(const JudgeInput& input, const LookTable& table, const Scope& scope, JudgeState& state)
      : input_(input),
        table_(table),
        scope_(scope),
        state_(state),
        budget_(BudgetOf(input, scope.is_fleet)) {}

  void Run(std::vector<Judged>& out) {
    for (const VerdictTest test : kVerdictTests) out.push_back(JudgeVerdicts(test));
    for (const Window window : kWindows) {
      for (const Metric metric : kMetrics) {
        if (auto judged = JudgeRatio(metric, window)) out.push_back(std::move(*judged));
      }
    }
  }

 private:
  Judged JudgeVerdicts(VerdictTest test) {
    const VerdictResult result = JudgeVerdictTest(input_, table_, scope_, test);
    std::string key = VerdictKey(scope_, test);
    if (scope_.comparison == Comparison::kConcurrent && state_.control.has_value() &&
        result.m0 > 0) {
      (*state_.control)[key] = {.x0 = static_cast<double>(result.x0),
                                .m0 = static_cast<double>(result.m0)};
    }
    return {.key = std::move(key),
            .scope = &scope_,
            .name = VerdictTestName(test),
            .priority = kMetricCount + static_cast<std::size_t>(test),
            .result = result};
  }

  std::optional<Judged> JudgeRatio(Metric metric, Window window) {
    const auto index = static_cast<std::size_t>(metric);
    const std::optional<double> limit = input_.config.limits[index];
    if (!limit.has_value()) return std::nullopt;
    if (scope_.comparison == Comparison::kAbsolute && metric == Metric::kAccuracyDrop) {
      return std::nullopt;
    }
    Judged judged{.key = RatioKey(scope_, metric, window),
                  .scope = &scope_,
                  .name = MetricName(metric),
                  .priority = index,
                  .window = window,
                  .limit = *limit};
    RatioAnswer answer = Ask(judged.key, metric, window, *limit);
    if (answer.result.ok) state_.iref.try_emplace(judged.key, answer.result.iref);
    if (answer.control.has_value() && state_.control.has_value()) {
      (*state_.control)[judged.key] = *answer.control;
    }
    judged.result = answer.result;
    return judged;
  }

  RatioAnswer Ask(const std::string& key, Metric metric, Window window, double limit) {
    RatioQuestion question{
        .scope = scope_.index,
        .metric = metric,
        .window = window,
        .comparison = scope_.comparison,
        .limit = limit,
        .alpha = window == Window::kCumulative ? budget_.cumulative : budget_.epoch,
        .promote_alpha = input_.config.promote_alpha,
        .tau = input_.config.tau,
        .min_devices = std::max(kPromoteDevicesMin, input_.config.min_devices),
    };
    if (const auto at = input_.state.iref.find(key); at != input_.state.iref.end()) {
      question.iref = at->second;
    }
    if (scope_.comparison == Comparison::kFormer) {
      const auto at = input_.state.control->find(key);
      if (at == input_.state.control->end()) return {.result = {.alpha = question.alpha}};
      question.former = &at->second;
    }
    return TestRatio(table_, question);
  }

  const JudgeInput& input_;
  const LookTable& table_;
  const Scope& scope_;
  JudgeState& state_;
  ErrorBudget budget_;
};

void Decide(const JudgeInput& input, const std::vector<Judged>& all, JudgeOutput& output) {
  const std::vector<std::string> suspicious = KeysOf(all, IsSuspicious);
  output.brake = !suspicious.empty();
  for (const Judged& judged : all) {
    if (!IsFail(judged)) continue;
    if (judged.scope->is_fleet)
      output.fleet_fails = true;
    else if (std::ranges::find(output.failed_strata, judged.scope->name) ==
             output.failed_strata.end())
      output.failed_strata.push_back(judged.scope->name);
  }

  if (const Judged* fail = FirstOf(all, IsFail)) {
    output.decision = Decision::kRollBack;
    output.sentence = RolledBackSentence(fail->AsFinding(), input.elapsed_s);
    return;
  }
  if (const Judged* hold = FirstOf(all, IsHold)) {
    const bool shared = std::get<RatioResult>(hold->result).env_shared.value_or(false);
    output.decision = Decision::kHold;
    output.hold_cause = shared ? HoldCause::kEnvironment : HoldCause::kConcentration;
    output.sentence = HeldSentence(hold->AsFinding(), input.config.tau);
    return;
  }
  if (!input.at_soak_end) {
    output.decision = Decision::kContinue;
    output.sentence = SoakingSentence(suspicious);
    return;
  }
  if (const std::vector<std::string> missing = KeysOf(all, IsMissing); !missing.empty()) {
    output.decision = Decision::kHold;
    output.hold_cause = HoldCause::kNotShown;
    output.sentence = NotShownSentence(missing);
    return;
  }
  output.decision = Decision::kPromote;
  output.sentence = PromotedSentence(FirstOf(all, IsNeededToPromote)->AsFinding());
}

}  // namespace

std::string_view MetricName(Metric metric) noexcept {
  constexpr std::array<std::string_view, kMetricCount> kNames = {"error_rate", "latency_exceed",
                                                                 "accuracy_drop"};
  return kNames[static_cast<std::size_t>(metric)];
}

std::string_view VerdictTestName(VerdictTest test) noexcept {
  constexpr std::array<std::string_view, kVerdictTestCount> kNames = {
      "lost_device_rate", "crash_device_rate", "unhealthy_device_rate"};
  return kNames[static_cast<std::size_t>(test)];
}

std::string_view DecisionName(Decision decision) noexcept {
  constexpr std::array<std::string_view, 4> kNames = {"CONTINUE", "PROMOTE", "HOLD", "ROLLBACK"};
  return kNames[static_cast<std::size_t>(decision)];
}

JudgeOutput Judge(const JudgeInput& input) {
  const SnapshotDevices devices(input);
  return Judge(input, LookTable(input.config, devices));
}

JudgeOutput Judge(const JudgeInput& input, const LookTable& table) {
  const std::vector<Scope> scopes = SplitIntoScopes(input, table);
  JudgeOutput output;
  output.state = input.state;
  std::vector<Judged> all;
  for (const Scope& scope : scopes) ScopeJudge(input, table, scope, output.state).Run(all);
  Decide(input, all, output);
  for (Judged& judged : all) output.results.emplace_back(std::move(judged.key), judged.result);
  return output;
}

}  // namespace sluice
