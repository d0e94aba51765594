#include "tests/sim/operator.h"

#include <fmt/format.h>

namespace sluice::sim {
namespace {

constexpr std::int64_t kWarmUpMs = 30'000;
constexpr std::int64_t kPatienceMs = 5 * limits::kMinute;
constexpr int kResumesMax = 3;

// Power and links fail here all the time, so a device that is away or comes up anew says little.
constexpr const char* kRolloutFile = R"(
rollout:
  model_version: "{}"
  variants: [{}]
  rate: {{initial_devices: 20, factor: 2, every_sec: 5, max_per_minute: 10000}}
  activation: {{min_inferences: 20, telemetry_interval_sec: 5}}
  stages:
    - name: canary
      target_percent: 45
      duration_hours: 0.03
      success_criteria: {{accuracy_drop_max: 0.05, error_rate_max: 0.01, latency_p99_max_ms: 100,
                         lost_device_rate_max: 0.5, crash_device_rate_max: 0.5}}
    - {{name: general, target_percent: 100, duration_hours: 0.03}}
  rollback: {{health_check_interval_sec: 5, confirm_deadline_sec: 60}}
)";

std::string FileOf(const std::vector<Publication>& releases) {
  std::string variants;
  for (const Publication& publication : releases) {
    if (releases.size() == 1) break;
    variants += fmt::format("{}{{version: {}, weight: 1}}", variants.empty() ? "" : ", ",
                            publication.release);
  }
  return fmt::format(fmt::runtime(kRolloutFile), releases.front().release, variants);
}

std::string RolloutId(std::size_t rollout) { return fmt::format("r-{:04}", rollout + 1); }

}  // namespace

RolloutStatus Operator::StatusOf(const Engine& engine, std::size_t rollout) {
  const RolloutEntry* entry = engine.rollouts().Find(RolloutId(rollout));
  return entry == nullptr ? RolloutStatus::kScheduled : entry->rollout.status;
}

std::string Operator::FinalReleaseOf(const Engine& engine, std::size_t rollout) {
  const RolloutEntry* entry = engine.rollouts().Find(RolloutId(rollout));
  if (entry == nullptr) return "";
  const std::int32_t variant = FinalVariant(entry->rollout).value_or(0);
  return entry->rollout.spec.ReleaseName(static_cast<std::size_t>(variant));
}

std::string Operator::WhyOf(const Engine& engine, std::size_t rollout) {
  const RolloutEntry* entry = engine.rollouts().Find(RolloutId(rollout));
  return entry == nullptr ? "" : entry->rollout.why;
}

std::string Operator::Story(const Engine& engine) {
  std::string story;
  for (const auto& [id, entry] : engine.rollouts().all()) {
    const Rollout& rollout = entry.rollout;
    story += fmt::format("{} {} stage {}: {}; ", id, RolloutStatusName(rollout.status),
                         CurrentStage(rollout), rollout.why);
  }
  return story;
}

void Operator::Ask(Engine& engine, const std::string& op, const std::string& argument) {
  Operation operation;
  operation.id = fmt::format("operation-{:04}", operations_);
  operation.object = RolloutId(rollout_);
  operation.op = op;
  if (!argument.empty()) operation.arguments["file"] = argument;
  operation.by = "operator";
  operation.via = "sim";
  const Outcome outcome = engine.Execute(operation);
  // A refusal is an answer too: the rollout moved on by itself in the meantime.
  asked_ = outcome.ok() || outcome.code == ErrorCode::kState;
}

void Operator::Act(Engine& engine, std::int64_t now_ms) {
  if (done_ || now_ms < kWarmUpMs) return;
  switch (plan_) {
    case Plan::kPublish:
      return Publish(engine);
    case Plan::kCreate:
      return Ask(engine, "create", FileOf(releases_[rollout_]));
    case Plan::kStart:
      return Ask(engine, "start");
    case Plan::kWatch:
      return Watch(engine, now_ms);
  }
}

void Operator::Publish(Engine& engine) {
  for (const Publication& publication : releases_[rollout_]) {
    if (!engine.PublishRelease(publication)) return;
  }
  plan_ = Plan::kCreate;
}

void Operator::OnCommitted() {
  if (!asked_) return;
  asked_ = false;
  ++operations_;
  if (plan_ == Plan::kCreate) {
    plan_ = Plan::kStart;
  } else if (plan_ == Plan::kStart) {
    plan_ = Plan::kWatch;
  }
}

void Operator::Watch(Engine& engine, std::int64_t now_ms) {
  const RolloutStatus status = StatusOf(engine, rollout_);
  if (status == RolloutStatus::kAwaitingApproval) was_asked_[rollout_] = true;
  switch (status) {
    case RolloutStatus::kCompleted:
    case RolloutStatus::kRolledBack:
    case RolloutStatus::kAborted:
      stuck_since_ms_ = -1;
      plan_ = Plan::kPublish;
      done_ = ++rollout_ == releases_.size();
      return;
    case RolloutStatus::kHolding:
    case RolloutStatus::kAwaitingApproval:
      if (stuck_since_ms_ < 0) stuck_since_ms_ = now_ms;
      if (now_ms - stuck_since_ms_ < kPatienceMs) return;
      stuck_since_ms_ = -1;
      return Ask(engine, resumed_++ < kResumesMax && rollout_ == 0 ? "resume" : "abort");
    case RolloutStatus::kScheduled:
    case RolloutStatus::kRunning:
    case RolloutStatus::kPaused:
    case RolloutStatus::kRollingBack:
      stuck_since_ms_ = -1;
      return;
  }
}

}  // namespace sluice::sim
