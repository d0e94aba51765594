// Variants: several releases in the test arm against one control, of which at most one goes on.
#include <algorithm>
#include <limits>

#include "rollout_engine/core/judge_sentence.h"
#include "rollout_engine/core/rollout_step.h"

namespace sluice {
namespace {

bool IsAboutAll(const LookJudged& look) {
  return look.decision == Decision::kHold && look.hold_cause != HoldCause::kNotShown;
}

}  // namespace

/// A new stage: every variant that is left is judged anew. Of a dropped one the reason stays.
void RolloutStep::OpenVariants() {
  for (VariantRun& variant : rollout_.variants) {
    if (variant.dropped) continue;
    variant.judge.iref.clear();
    variant.last.reset();
  }
}

/// More than one is left.
bool RolloutStep::ComparesVariants() const {
  return std::ranges::count(rollout_.variants, false, &VariantRun::dropped) > 1;
}

/// This look has judged every variant that is left.
bool RolloutStep::IsJudged(std::int32_t look) const {
  return std::ranges::all_of(rollout_.variants, [look](const VariantRun& variant) {
    return variant.dropped || (variant.last.has_value() && variant.last->look == look);
  });
}

/// What the look says of the rollout: a finding that stops everybody, else the best variant's
/// promotion, else what the first one waits for. `last`: the variant that was judged last.
LookJudged RolloutStep::WorstOf(const LookJudged& last) const {
  if (rollout_.variants.size() == 1) return last;
  const VariantRun* chosen = nullptr;
  const auto rank = [](const VariantRun& variant) {
    if (variant.last->decision == Decision::kRollBack) return 0;
    if (IsAboutAll(*variant.last)) return 1;
    return variant.last->decision == Decision::kPromote ? 2 : 3;
  };
  for (const VariantRun& variant : rollout_.variants) {
    if (variant.dropped) continue;
    if (chosen == nullptr || rank(variant) < rank(*chosen)) chosen = &variant;
  }
  if (rank(*chosen) == 2) chosen = &rollout_.variants[static_cast<std::size_t>(BestVariant(true))];
  LookJudged worst = *chosen->last;
  worst.sentence = rollout_.spec.variants[static_cast<std::size_t>(worst.variant)].version + ": " +
                   worst.sentence;
  for (const VariantRun& variant : rollout_.variants) {
    if (variant.dropped) continue;
    worst.brake = worst.brake || variant.last->brake;
    worst.memory_increase_percent =
        std::max(worst.memory_increase_percent, variant.last->memory_increase_percent);
  }
  return worst;
}

/// The one with the smallest upper bound, among those that are left; the first one in doubt. -1 =
/// none is promotable.
std::int32_t RolloutStep::BestVariant(bool only_promotable) const {
  std::int32_t best = -1;
  double best_bound = 0;
  for (std::size_t i = 0; i < rollout_.variants.size(); ++i) {
    const VariantRun& variant = rollout_.variants[i];
    if (variant.dropped) continue;
    const bool promotable =
        variant.last.has_value() && variant.last->decision == Decision::kPromote;
    if (only_promotable && !promotable) continue;
    const double bound =
        variant.last.has_value()
            ? variant.last->upper_bound.value_or(std::numeric_limits<double>::infinity())
            : std::numeric_limits<double>::infinity();
    if (best >= 0 && bound >= best_bound) continue;
    best = static_cast<std::int32_t>(i);
    best_bound = bound;
  }
  return best;
}

/// Shown worse while others are left: its devices go back, the rollout goes on without it.
void RolloutStep::DropVariant(std::int32_t variant, const std::string& sentence) {
  VariantAt(variant).dropped = true;
  for (auto& [device, member] : rollout_.members) {
    if (member.variant != variant || member.stage == kNoStage) continue;
    member.wants_permit = false;
    if (IsActive(member.state) || IsInstalling(member.state)) Emit(RevertDevice{device});
  }
  Emit(NotifyOperator{"variant " + rollout_.spec.ReleaseName(static_cast<std::size_t>(variant)) +
                      " is dropped: " + sentence});
}

/// At the end of a stage that has shown one to be promotable. Without that all go on side by side,
/// but a rollout that is over brings one release.
void RolloutStep::ChooseWinner(bool is_last_stage) {
  if (rollout_.variants.size() == 1 || rollout_.winner.has_value() || rollout_.runs.empty()) return;
  std::int32_t winner = BestVariant(true);
  if (winner < 0 && (is_last_stage || !ComparesVariants())) winner = BestVariant(false);
  if (winner < 0) return;
  rollout_.winner = winner;
  std::string sentence =
      "variant " + rollout_.spec.ReleaseName(static_cast<std::size_t>(winner)) + " goes on";
  for (std::size_t i = 0; i < rollout_.variants.size(); ++i) {
    VariantRun& variant = rollout_.variants[i];
    if (variant.dropped) continue;
    if (variant.last.has_value() && variant.last->upper_bound.has_value()) {
      sentence += "; upper bound of " + rollout_.spec.ReleaseName(i) + " " +
                  Fixed4(*variant.last->upper_bound);
    }
    variant.dropped = static_cast<std::int32_t>(i) != winner;
  }
  Emit(NotifyOperator{sentence});
}

/// To the winner: what a loser's device has done counts no more.
void RolloutStep::MoveLosers() {
  if (!rollout_.winner.has_value()) return;
  bool moved = false;
  for (auto& [device, member] : rollout_.members) {
    if (member.variant == *rollout_.winner) continue;
    member.variant = *rollout_.winner;
    if (member.stage == kNoStage) continue;
    moved = true;
    SetState(member, DeviceState::kIdle);
    member.code.clear();
    member.deferred = member.wants_permit = member.self_reverted = false;
    member.permit_at.reset();
    member.activated_at.reset();
  }
  if (moved) rollout_.ramp = StartRamp(rollout_.spec.rate, now_);
}

}  // namespace sluice
