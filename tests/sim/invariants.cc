#include "tests/sim/invariants.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/contract/codec.h"
#include "common/contract/envelope.h"
#include "common/contract/limits.h"
#include "common/contract/topics.h"
#include "rollout_engine/engine/event_codec.h"
#include "rollout_engine/engine/keys.h"

namespace sluice::sim {
namespace {

/// How long after an Answer has left the engine its permit may still end in a switch: its life on
/// the device, the wait for the broker's word, and what the links hold up.
constexpr std::int64_t kPermitReachMs =
    limits::kPermitLife + limits::kActivatingAckMax + 5 * limits::kSecond;

bool IsGivenUp(RolloutStatus status) {
  return status == RolloutStatus::kRollingBack || status == RolloutStatus::kRolledBack ||
         status == RolloutStatus::kAborted;
}

bool IsStopped(RolloutStatus status) {
  return status == RolloutStatus::kHolding || status == RolloutStatus::kPaused || IsGivenUp(status);
}

bool IsFinal(RolloutStatus status) {
  return status == RolloutStatus::kRolledBack || status == RolloutStatus::kAborted ||
         status == RolloutStatus::kCompleted;
}

/// Within one turn a rollout may take several steps, so this is the closure of the legal ones.
bool MayBecome(RolloutStatus before, RolloutStatus now) {
  if (before == now) return true;
  if (IsFinal(before) || now == RolloutStatus::kScheduled) return false;
  if (before == RolloutStatus::kRollingBack) return now == RolloutStatus::kRolledBack;
  return before != RolloutStatus::kScheduled || now != RolloutStatus::kRolledBack;
}

/// What an envelope holds; its signature is the devices' business.
template <class T>
std::optional<T> OpenedUnchecked(ByteView bytes) {
  const auto envelope = ParseEnvelope(bytes);
  if (!envelope) return std::nullopt;
  auto value = Decode<T>(envelope->payload);
  if (!value) return std::nullopt;
  return std::move(*value);
}

template <class T>
std::optional<T> Stored(const Store& store, const std::string& key) {
  const auto bytes = store.Get(key);
  if (!bytes || !*bytes) return std::nullopt;
  auto value = Decode<T>(**bytes);
  if (!value) return std::nullopt;
  return std::move(*value);
}

}  // namespace

void Invariants::AddRelease(const std::string& release, const Digest& artifact,
                            const Digest& manifest) {
  releases_[artifact] = release;
  manifests_[manifest] = release;
}

const Invariants::Committed* Invariants::RolloutOf(const std::string& release) const {
  for (const auto& [id, committed] : rollouts_) {
    for (std::size_t i = 0; i < committed.rollout.variants.size(); ++i) {
      if (committed.rollout.spec.ReleaseName(i) == release) return &committed;
    }
  }
  return nullptr;
}

// ---- devices ----

void Invariants::OnServe(const std::string& device, const Digest& serving, sdk::Purpose purpose,
                         std::int64_t now_ms) {
  serving_[device] = serving;
  const auto release = releases_.find(serving);
  if (release == releases_.end() || purpose != sdk::Purpose::kInstall) return;
  const Committed* committed = RolloutOf(release->second);
  if (committed == nullptr) {
    return violations_.Add(
        fmt::format("S3: {} installs {} without a rollout", device, release->second));
  }
  CheckPermit(device, release->second, *committed, now_ms);
  CheckExposed(release->second, *committed);
  const Rollout& rollout = committed->rollout;
  const auto member = rollout.members.find(device);
  // Once a rollout is complete its release is the baseline, for everybody.
  const bool is_member = member != rollout.members.end() && member->second.stage != kNoStage;
  const auto is_dropped = [](const VariantRun& variant) { return variant.dropped; };
  if (is_member && ReleaseNameOf(rollout, member->second) != release->second &&
      std::ranges::none_of(rollout.variants, is_dropped)) {
    violations_.Add(
        fmt::format("S3: {} installs {}, which is not its variant", device, release->second));
  }
  if (!is_member && rollout.status != RolloutStatus::kCompleted) {
    violations_.Add(fmt::format("S3: {} installs {} outside its stage", device, release->second));
  }
}

void Invariants::CheckPermit(const std::string& device, const std::string& release,
                             const Committed& committed, std::int64_t now_ms) {
  const auto given = permits_.find(device);
  const auto counts = [&](const Permit& permit) {
    const auto of = manifests_.find(permit.manifest);
    const bool stood = committed.given_up_ms < 0 || permit.sent_ms <= committed.given_up_ms;
    return of != manifests_.end() && of->second == release && stood &&
           now_ms - permit.sent_ms <= kPermitReachMs;
  };
  if (given != permits_.end() && std::any_of(given->second.begin(), given->second.end(), counts))
    return;
  violations_.Add(
      fmt::format("S10: {} switches to {} without a permit that counts", device, release));
}

/// Counts devices in the world, not what the engine believes of them.
void Invariants::CheckExposed(const std::string& release, const Committed& committed) {
  const Rollout& rollout = committed.rollout;
  if (rollout.runs.empty() || rollout.status == RolloutStatus::kCompleted) return;
  const CutOffs& cut_offs = rollout.runs.back().cut_offs;
  std::size_t exposed = 0;
  std::size_t allowed = 0;
  for (const auto& [device, hardware] : hardware_) {
    const auto serving = serving_.find(device);
    const auto of = serving == serving_.end() ? releases_.end() : releases_.find(serving->second);
    if (of != releases_.end() && of->second == release) ++exposed;
    const auto cut_off = cut_offs.find(hardware);
    if (cut_off != cut_offs.end() &&
        cut_off->second.Takes({device, CohortUnit(rollout.id, device)}))
      ++allowed;
  }
  if (exposed <= allowed) return;
  violations_.Add(
      fmt::format("S3: {} devices serve {}, the stage allows {}", exposed, release, allowed));
}

// ---- words ----

void Invariants::OnSent(const MqttMessage& message, const Store& store, std::int64_t now_ms) {
  if (message.topic == BuildTopic(AllKind::kOrder)) return CheckOrder(message.payload, store);
  const auto topic = ParseDownTopic(message.topic);
  if (!topic || topic->kind != DownKind::kDirective) return;
  const auto envelope = ParseEnvelope(message.payload);
  if (!envelope) return;
  if (envelope->type == PayloadType::kDirective)
    CheckDirective(topic->device, message.payload, store);
  if (envelope->type == PayloadType::kAnswer)
    CheckAnswer(topic->device, envelope->payload, store, now_ms);
}

/// One turn may replace an Order before it is sent.
void Invariants::CheckOrder(const Bytes& envelope, const Store& store) {
  const auto stored = store.Get(store_key::kOrder);
  const auto standing = stored && *stored ? OpenedUnchecked<Order>(**stored) : std::nullopt;
  const auto sent = OpenedUnchecked<Order>(envelope);
  const bool durable = sent && standing &&
                       (sent->number < standing->number ||
                        (sent->number == standing->number && **stored == envelope));
  if (!durable) violations_.Add("an Order is on the wire that is not in the store");
}

void Invariants::CheckDirective(const std::string& device, const Bytes& envelope,
                                const Store& store) {
  const auto sent = OpenedUnchecked<Directive>(envelope);
  if (!sent) return;
  const auto stored = store.Get(store_key::Join(store_key::kDirective, {device}));
  const auto standing = stored && *stored ? OpenedUnchecked<Directive>(**stored) : std::nullopt;
  const bool durable = standing && (sent->number < standing->number ||
                                    (sent->number == standing->number && **stored == envelope));
  if (!durable)
    violations_.Add("a Directive for " + device + " is on the wire that is not in the store");
  SequenceNumber& newest = sent_numbers_[device];
  if (sent->number < newest) violations_.Add("S5: the directive numbers of " + device + " fell");
  newest = std::max(newest, sent->number);
}

void Invariants::CheckAnswer(const std::string& device, ByteView payload, const Store& store,
                             std::int64_t now_ms) {
  const auto answer = Decode<Answer>(payload);
  if (!answer) return;
  if (answer->report_seq > 0) {
    const auto report = Stored<Report>(store, store_key::Join(store_key::kReport, {device}));
    if (!report || report->seq < answer->report_seq) {
      violations_.Add(fmt::format("{} is told that its report {} is stored, which it is not",
                                  device, answer->report_seq));
    }
  }
  if (answer->permit.IsZero()) return;
  new_permits_.push_back({device, answer->permit});
  permits_[device].push_back({answer->permit, now_ms});
}

// ---- rollouts ----

void Invariants::AfterCommit(const Engine& engine, const Store& store, std::int64_t now_ms) {
  if (engine.director().epoch() < epoch_) violations_.Add("S5: the engine's epoch fell");
  epoch_ = engine.director().epoch();
  for (const auto& [id, entry] : engine.rollouts().all()) {
    Committed& before = rollouts_[id];
    if (before.events == entry.events && before.events > 0) continue;
    const Rollout& now = entry.rollout;
    CheckPath(id, before.rollout, now);
    CheckCutOffs(before.rollout, now);
    if (before.given_up_ms < 0 && IsGivenUp(now.status)) before.given_up_ms = now_ms;
    if (!IsStopped(now.status)) {
      before.stopped_ms = -1;
    } else if (before.stopped_ms < 0) {
      before.stopped_ms = now_ms;
    }
    before.events = entry.events;
    before.rollout = now;
    CheckReplay(id, before, store);
  }
  CheckNewPermits(now_ms);
}

/// At the end of the turn: it may be the one that resumes the rollout.
void Invariants::CheckNewPermits(std::int64_t now_ms) {
  for (const auto& [device, manifest] : std::exchange(new_permits_, {})) {
    const auto release = manifests_.find(manifest);
    const Committed* committed = release == manifests_.end() ? nullptr : RolloutOf(release->second);
    const bool stopped =
        committed != nullptr && committed->stopped_ms >= 0 && committed->stopped_ms < now_ms;
    if (!stopped) continue;
    violations_.Add(fmt::format("S10: {} gets a permit for {} while its rollout is {}", device,
                                release->second, RolloutStatusName(committed->rollout.status)));
  }
}

void Invariants::CheckPath(const std::string& id, const Rollout& before, const Rollout& now) {
  if (!MayBecome(before.status, now.status)) {
    violations_.Add(fmt::format("S6: {} went from {} to {}", id, RolloutStatusName(before.status),
                                RolloutStatusName(now.status)));
  }
  if (CurrentStage(now) < CurrentStage(before)) violations_.Add("S6: " + id + " went back a stage");
}

/// A stage's cut-off is chosen once, takes no more than its target of who is eligible then, and
/// decides alone who is in.
void Invariants::CheckCutOffs(const Rollout& before, const Rollout& now) {
  for (std::size_t i = 0; i < now.runs.size(); ++i) {
    const StageRun& run = now.runs[i];
    if (i < before.runs.size()) {
      if (before.runs[i].cut_offs != run.cut_offs)
        violations_.Add(fmt::format("S3: {} moved a cut-off of stage {}", now.id, run.stage));
      continue;
    }
    std::map<std::string, std::pair<std::size_t, std::size_t>> taken_of;  // by hardware
    for (const auto& [device, member] : now.members) {
      const auto cut_off = run.cut_offs.find(member.hardware);
      if (cut_off == run.cut_offs.end()) continue;
      auto& [taken, of] = taken_of[member.hardware];
      ++of;
      if (cut_off->second.Takes({device, CohortUnit(now.id, device)})) ++taken;
    }
    const MilliPercent target = now.spec.stages[static_cast<std::size_t>(run.stage)].target;
    for (const auto& [hardware, counts] : taken_of) {
      if (counts.first > CohortSize(target, counts.second))
        violations_.Add(fmt::format("S3: stage {} of {} takes {} of {} devices of {}", run.stage,
                                    now.id, counts.first, counts.second, hardware));
    }
  }
  for (const auto& [device, member] : now.members) {
    if (member.stage == kNoStage) continue;
    const auto run = std::find_if(
        now.runs.begin(), now.runs.end(),
        [stage = member.stage](const StageRun& entered) { return entered.stage == stage; });
    const bool takes =
        run != now.runs.end() && run->cut_offs.contains(member.hardware) &&
        run->cut_offs.at(member.hardware).Takes({device, CohortUnit(now.id, device)});
    if (!takes)
      violations_.Add(fmt::format("S3: {} is in stage {} of {} beyond its cut-off", device,
                                  member.stage, now.id));
  }
}

void Invariants::CheckReplay(const std::string& id, Committed& committed, const Store& store) {
  if (committed.replayed.id.empty()) {
    RolloutLog log;
    if (!log.Load(store) || log.Find(id) == nullptr)
      return violations_.Add("S7: " + id + " cannot be loaded from the store");
    committed.replayed = log.Find(id)->rollout;
    committed.replayed_events = log.Find(id)->events;
  }
  for (; committed.replayed_events < committed.events; ++committed.replayed_events) {
    const std::string key =
        store_key::Join(store_key::kEvent, {id, store_key::Number(committed.replayed_events)});
    const auto bytes = store.Get(key);
    if (!bytes || !*bytes) return violations_.Add("S7: " + key + " is not in the store");
    const auto event = DecodeEvent(key, **bytes);
    if (!event || !Step(committed.replayed, *event))
      return violations_.Add("S7: " + key + " does not replay");
  }
  if (committed.replayed == committed.rollout) return;
  violations_.Add(
      fmt::format("S7: {} replays to another state after {} events", id, committed.events));
}

void Invariants::AfterRestart(const Engine& engine) {
  for (const auto& [id, committed] : rollouts_) {
    const RolloutEntry* entry = engine.rollouts().Find(id);
    if (entry == nullptr) {
      violations_.Add("S7: " + id + " is gone after a restart");
    } else if (!(entry->rollout == committed.rollout)) {
      violations_.Add(fmt::format("S7: {} replays to another state: {} events, {} before", id,
                                  entry->events, committed.events));
    }
  }
  for (const auto& [device, number] : sent_numbers_) {
    const Device* known = engine.devices().Find(device);
    if (known == nullptr || known->last_number < number)
      violations_.Add("S5: the engine has forgotten a Directive that it sent to " + device);
  }
}

}  // namespace sluice::sim
