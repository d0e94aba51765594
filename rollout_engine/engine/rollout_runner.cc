#include "rollout_engine/engine/rollout_runner.h"

#include <algorithm>
#include <utility>

#include "common/contract/topics.h"
#include "common/crypto/digest.h"
#include "rollout_engine/engine/device_selector.h"
#include "rollout_engine/engine/keys.h"
#include "rollout_engine/engine/missing_directive.h"

namespace sluice {
namespace {

constexpr const char* kVariantSalt = ":variant";  // after the rollout's own, for who gets which
constexpr int kStoppedToFreeze = 2;
constexpr std::int64_t kSettleMs = limits::kHour;  // after an update, at most
constexpr std::size_t kLookInputDevicesMax =
    200;  // up to here every look keeps its inputs, above only a changed one

/// What it says of itself; "" = nothing.
std::string SiteOf(const Device& device) {
  for (const auto& [name, value] : device.hello->attributes) {
    if (name == "site") return value;
  }
  return "";
}

/// The other rollout has a lower priority and has not reached the device.
bool MayTake(const RolloutSpec& spec, const RolloutEntry& other, const std::string& device) {
  return other.rollout.spec.priority < spec.priority &&
         other.rollout.members.at(device).stage == kNoStage;
}

/// Variants that devices still get.
std::ptrdiff_t CountLeft(const Rollout& rollout) {
  return std::count_if(rollout.variants.begin(), rollout.variants.end(),
                       [](const VariantRun& variant) { return !variant.dropped; });
}

/// In trouble of its own, not by an operator's word.
bool IsStopped(RolloutStatus status) {
  return status == RolloutStatus::kHolding || status == RolloutStatus::kRollingBack;
}

}  // namespace

Status RolloutRunner::Resume(const Store& store, Turn& turn) {
  for (const auto& [id, entry] : parts_.log.all()) {
    changed_.insert(id);
    SLUICE_TRY(LoadLooks(store, entry.rollout));
    std::optional<BootMs> newest;
    for (const auto& [device, member] : entry.rollout.members)
      newest = std::max(newest, member.activated_at);
    if (newest) lately_active_[id] = *newest;
  }
  BlockWithdrawnPayloads();
  WantWhatIsMissing(turn.wall);
  return {};
}

/// Of the newest stage that has any.
Status RolloutRunner::LoadLooks(const Store& store, const Rollout& rollout) {
  const auto run = std::find_if(rollout.runs.rbegin(), rollout.runs.rend(),
                                [](const StageRun& entered) { return entered.looks > 0; });
  if (run == rollout.runs.rend()) return {};
  for (std::size_t i = 0; i < rollout.variants.size(); ++i) {
    const auto variant = static_cast<std::int32_t>(i);
    const std::string key = RolloutLog::DecisionKey(
        rollout.id, {.stage = run->stage, .look = run->looks, .variant = variant});
    SLUICE_ASSIGN(const std::optional<Bytes> record, store.Get(key));
    if (!record) continue;
    SLUICE_ASSIGN(looks_[rollout.id][variant], DecodeLookSummary(key, *record));
  }
  return {};
}

void RolloutRunner::WantWhatIsMissing(WallMs now) {
  for (const auto& [id, device] : parts_.devices.all()) {
    if (parts_.dispatch.Wants(id)) continue;
    if (auto wanted = MissingDirective(parts_.log, parts_.offers, device, now))
      parts_.dispatch.Want(id, std::move(*wanted));
  }
}

Status RolloutRunner::Apply(RolloutEntry& entry, EventBody body, Turn& turn) {
  const RolloutStatus before = entry.rollout.status;
  const bool starts = std::holds_alternative<Started>(body);
  NoteInRoster(entry.rollout.id, body);
  const auto left_before = CountLeft(entry.rollout);
  SLUICE_ASSIGN(const std::vector<Effect> effects, parts_.log.Apply(entry, std::move(body), turn));
  changed_.insert(entry.rollout.id);
  if (starts) TakeFromOthers(entry, turn);
  if (CountLeft(entry.rollout) != left_before) BlockWithdrawnPayloads();
  const bool completed =
      entry.rollout.status == RolloutStatus::kCompleted && before != entry.rollout.status;
  for (const Effect& effect : effects) {
    std::visit([&](const auto& e) { CarryOut(entry, e, turn); }, effect);
  }
  // Its release is the baseline now, also for those who were not in it and have no reason to say
  // hello.
  if (completed) WantWhatIsMissing(turn.wall);
  if (!IsOpen(entry.rollout.status) && entry.rollout.status != RolloutStatus::kCompleted)
    rosters_.erase(entry.rollout.id);
  if (!IsStopped(before) && IsStopped(entry.rollout.status)) FreezeIfSeveralStop(turn);
  return {};
}

/// One rollout per device: what it was planned with includes devices that a rollout of lower
/// priority had not reached.
void RolloutRunner::TakeFromOthers(const RolloutEntry& entry, Turn& turn) {
  for (const auto& [id, known] : parts_.log.all()) {
    if (id == entry.rollout.id || !IsOpen(known.rollout.status)) continue;
    std::vector<std::string> taken;
    for (const auto& [device, member] : known.rollout.members) {
      if (entry.rollout.members.contains(device)) taken.push_back(device);
    }
    for (const std::string& device : taken)
      (void)Apply(*parts_.log.FindMutable(id), DeviceLeft{device}, turn);
  }
}

/// Two rollouts in trouble at once have a cause in common, and nobody knows yet what it is.
void RolloutRunner::FreezeIfSeveralStop(Turn& turn) {
  std::vector<std::string> moving;
  std::string stopped;
  int count = 0;
  for (const auto& [id, entry] : parts_.log.all()) {
    const RolloutStatus status = entry.rollout.status;
    if (status == RolloutStatus::kRunning || status == RolloutStatus::kAwaitingApproval)
      moving.push_back(id);
    if (!IsStopped(status)) continue;
    stopped += (count++ == 0 ? "" : ", ") + id;
  }
  if (count < kStoppedToFreeze) return;
  const PauseRequested freeze{
      .reason = stopped + " hold or roll back at once; find what they have in common, then resume",
      .by = "the engine"};
  for (const std::string& id : moving) (void)Apply(*parts_.log.FindMutable(id), freeze, turn);
}

// ---- effects ----

void RolloutRunner::CarryOut(RolloutEntry& entry, const Offer& effect, Turn&) {
  const std::int32_t variant = entry.rollout.members.at(effect.device).variant;
  parts_.dispatch.Want(effect.device, WantedInstall{TermsOf(entry.rollout, effect.stage, variant)});
}

void RolloutRunner::CarryOut(RolloutEntry& entry, const HoldDevice& effect, Turn&) {
  parts_.dispatch.Want(effect.device, WantedHold{TermsOf(entry.rollout, effect.stage, 0)});
}

void RolloutRunner::CarryOut(RolloutEntry& entry, const GrantPermit& effect, Turn& turn) {
  const Member& member = entry.rollout.members.at(effect.device);
  parts_.conversation.Grant(effect.device, ManifestFor(entry.rollout, member), turn.now);
}

void RolloutRunner::CarryOut(RolloutEntry& entry, const OrderChanged& effect, Turn& turn) {
  for (const OrderEntry& order : effect.entries) {
    for (const auto& [device, member] : entry.rollout.members) {
      if (!IsFor(order, member.hardware)) continue;
      parts_.conversation.WithdrawPermit(device);
      // Under a hold downloads go on, so what was offered is still sent.
      if (order.action != OrderAction::kHold && !IsActive(member.state))
        parts_.dispatch.Cancel(device);
    }
  }
  PublishOrder(turn);
}

void RolloutRunner::CarryOut(RolloutEntry& entry, const RevertDevice& effect, Turn&) {
  const Member& member = entry.rollout.members.at(effect.device);
  parts_.conversation.WithdrawPermit(effect.device);
  parts_.dispatch.Want(effect.device,
                       WantedRevert{.rollout = entry.rollout.id,
                                    .stage = static_cast<std::uint16_t>(std::max(member.stage, 0)),
                                    .manifest = ManifestFor(entry.rollout, member)});
}

void RolloutRunner::CarryOut(RolloutEntry& entry, const RunLook& effect, Turn& turn) {
  const Rollout& rollout = entry.rollout;
  const FleetTelemetry& fleet = parts_.telemetry.fleet();
  LookRoster& roster = rosters_[rollout.id];
  roster.Refresh(rollout, fleet);
  const RosterDevices devices(rollout, roster, fleet, turn.now, effect.variant, FindSleepers());
  auto [look, output] = LookAndJudge(rollout, devices, turn.now, effect.variant);
  look.input.devices = devices.Listed();  // for the record
  const auto& last = rollout.variants[static_cast<std::size_t>(effect.variant)].last;
  const bool changed = !last || last->decision != output.decision || last->brake != output.brake;
  LookSummary summary = Summarise(look.input, output, effect.stage, effect.variant, turn.wall.ms);
  const TelemetryBook::ArmLatencies latencies = parts_.telemetry.LatenciesOf(look.input);
  summary.test_latency_p99_ms = latencies.test_p99_ms.value_or(-1);
  summary.control_latency_p99_ms = latencies.control_p99_ms.value_or(-1);
  const bool with_input = changed || look.input.devices.size() <= kLookInputDevicesMax;
  RolloutLog::AddDecision(rollout.id, {effect.stage, effect.look, effect.variant},
                          EncodeLookRecord(rollout.id, look.input, output, summary, with_input),
                          turn);
  looks_[rollout.id][effect.variant] = std::move(summary);
  if (changed) {
    const std::string whose =
        rollout.variants.size() == 1
            ? ""
            : rollout.spec.ReleaseName(static_cast<std::size_t>(effect.variant)) + ": ";
    parts_.log.AddNote(
        entry, {.type = "decision", .by = "judge", .via = "engine", .why = whose + output.sentence},
        turn);
  }
  // The machine accepts a look of its own current stage in every status in which it asks for one.
  (void)Apply(entry, MakeLookJudged(effect, look, output), turn);
}

/// An event that names a device may change its part in the looks.
void RolloutRunner::NoteInRoster(const std::string& rollout, const EventBody& event) {
  const auto roster = rosters_.find(rollout);
  if (roster == rosters_.end()) return;
  if (const auto* reported = std::get_if<DeviceReported>(&event))
    roster->second.NoteChanged(reported->device);
  if (const auto* wanted = std::get_if<PermitWanted>(&event))
    roster->second.NoteChanged(wanted->device);
  if (const auto* joined = std::get_if<DeviceJoined>(&event))
    roster->second.NoteChanged(joined->device.id);
  if (const auto* left = std::get_if<DeviceLeft>(&event)) roster->second.NoteChanged(left->device);
}

void RolloutRunner::CarryOut(RolloutEntry& entry, const OpenWindow& effect, Turn& turn) {
  FleetTelemetry& fleet = parts_.telemetry.fleet();
  switch (effect.kind) {
    case OpenWindow::Kind::kStage:
      OpenStageWindow(entry.rollout, fleet, turn.now);
      break;
    case OpenWindow::Kind::kEpoch:
      OpenEpochWindow(entry.rollout, fleet, turn.now);
      break;
    case OpenWindow::Kind::kDevice:
      NoteActivation(entry.rollout.id, turn.now);
      for (const std::string& device :
           OpenDeviceWindow(entry.rollout, effect.device, fleet, turn.now))
        parts_.telemetry.NoteChanged(device);
      break;
  }
  if (effect.kind != OpenWindow::Kind::kDevice) {
    for (const auto& [device, member] : entry.rollout.members) parts_.telemetry.NoteChanged(device);
  }
  parts_.telemetry.Save(turn);
}

void RolloutRunner::CarryOut(RolloutEntry& entry, const NotifyOperator& effect, Turn& turn) {
  parts_.log.AddNote(
      entry, {.type = "status", .by = "engine", .via = "engine", .why = effect.sentence}, turn);
}

Sleepers RolloutRunner::FindSleepers() const {
  Sleepers sleepers;
  for (const std::string& id : parts_.devices.sleepy()) {
    const Device* device = parts_.devices.Find(id);
    if (device->IsAsleep())
      sleepers[id] = std::int64_t{device->hello->next_contact_s} * limits::kSecond;
  }
  return sleepers;
}

void RolloutRunner::PublishOrder(Turn& turn) {
  const auto now_ms = parts_.director.SigningTime(turn.wall);
  if (!now_ms) return;  // OnClockAccepted makes up for it
  if (parts_.director.SetOrder(parts_.log.Order(turn.wall), *now_ms, turn.batch)) {
    turn.must_sync = true;
    turn.Publish(BuildTopic(AllKind::kOrder), parts_.director.order_envelope(), Qos::k1, true);
  }
  BlockWithdrawnPayloads();
}

void RolloutRunner::BlockWithdrawnPayloads() {
  std::set<Digest> withdrawn;
  std::set<Digest> offered;
  for (const auto& [id, entry] : parts_.log.all()) {
    const Rollout& rollout = entry.rollout;
    const bool is_over = rollout.status == RolloutStatus::kAborted ||
                         rollout.status == RolloutStatus::kRollingBack ||
                         rollout.status == RolloutStatus::kRolledBack;
    for (std::size_t i = 0; i < rollout.variants.size(); ++i) {
      const auto release = parts_.offers.FindRelease(rollout.spec.ReleaseName(i));
      if (!release) continue;
      const bool is_withdrawn = is_over || rollout.variants[i].dropped;
      for (const ReleaseArtifact& artifact : (*release)->artifacts) {
        (is_withdrawn ? withdrawn : offered).insert(artifact.manifest.artifact_sha256);
      }
    }
  }
  for (const Digest& artifact : offered) withdrawn.erase(artifact);
  parts_.chunks.Block(parts_.offers.PayloadsOf(withdrawn));
}

Digest RolloutRunner::ManifestFor(const Rollout& rollout, const Member& member) {
  const auto artifact = parts_.offers.FindArtifact(ReleaseNameOf(rollout, member), member.hardware);
  return artifact ? (*artifact)->manifest_sha256 : Digest{};
}

// ---- the fleet ----

Result<std::vector<const Release*>> RolloutRunner::ReleasesOf(const RolloutSpec& spec) {
  std::vector<const Release*> releases;
  for (std::size_t i = 0; i < spec.VariantCount(); ++i) {
    SLUICE_ASSIGN(const Release* release, parts_.offers.FindRelease(spec.ReleaseName(i)));
    if (!releases.empty() && release->model != releases.front()->model) {
      return Fail(ErrorCode::kCfgRange, "variants: " + release->name + " is of model " +
                                            release->model + ", " + releases.front()->name +
                                            " of " + releases.front()->model +
                                            "; compare releases of one model");
    }
    releases.push_back(release);
  }
  return releases;
}

bool RolloutRunner::Selects(const RolloutSpec& spec, const std::vector<const Release*>& releases,
                            const Device& device) const {
  if (!device.hello || !device.quarantine.empty() || device.behind) return false;
  if (device.model() != releases.front()->model) return false;
  const auto has_artifact = [&](const Release* release) {
    return release->For(device.hardware()) != nullptr;
  };
  if (!std::all_of(releases.begin(), releases.end(), has_artifact)) return false;
  return Fits(spec.selector, device);
}

/// Old rollouts leave the list, so that a device is looked up in few, however many there were.
void RolloutRunner::NoteActivation(const std::string& rollout, BootMs at) {
  std::erase_if(lately_active_, [&](const auto& known) { return at - known.second >= kSettleMs; });
  lately_active_[rollout] = at;
}

/// How long yet until what another rollout did to it can be told from what this one does: an hour,
/// or a stage of this rollout if that is shorter.
std::int64_t RolloutRunner::UnsettledMs(const Rollout& rollout, const std::string& device,
                                        BootMs now) const {
  const std::int64_t settle_ms = std::min(kSettleMs, rollout.spec.stages.front().duration_ms);
  std::int64_t unsettled_ms = 0;
  for (const auto& [id, newest] : lately_active_) {
    if (id == rollout.id || now - newest >= settle_ms) continue;
    const auto& members = parts_.log.Find(id)->rollout.members;
    const auto member = members.find(device);
    if (member == members.end() || !member->second.activated_at) continue;
    unsettled_ms = std::max(unsettled_ms, settle_ms - (now - *member->second.activated_at));
  }
  return unsettled_ms;
}

FleetDevice RolloutRunner::FleetDeviceOf(const Rollout& rollout, const Device& device,
                                         BootMs now) const {
  const std::string& salt = rollout.spec.salt.empty() ? rollout.id : rollout.spec.salt;
  return {.id = device.id,
          .hardware = device.hardware(),
          .unit = CohortUnit(salt, device.id),
          .has_model = !device.active_artifact.IsZero(),
          .variant_unit = CohortUnit(salt + kVariantSalt, device.id),
          .site = SiteOf(device),
          .unsettled_ms = UnsettledMs(rollout, device.id, now)};
}

Result<Started> RolloutRunner::PlanStart(const RolloutEntry& entry, BootMs now) {
  const RolloutSpec& spec = entry.rollout.spec;
  SLUICE_ASSIGN(const auto releases, ReleasesOf(spec));
  Started started;
  for (const Release* release : releases) {
    ReleaseIds& ids = started.release_ids.emplace_back();
    for (const ReleaseArtifact& artifact : release->artifacts) {
      for (const std::string& hardware : artifact.manifest.hardware)
        ids[hardware] = artifact.manifest.artifact_sha256.Prefix64();
    }
  }
  const RolloutEntry* other = nullptr;
  for (const auto& [id, device] : parts_.devices.all()) {
    if (!Selects(spec, releases, device)) continue;
    if (const RolloutEntry* covering = parts_.log.Covering(id);
        covering != nullptr && !MayTake(spec, *covering, id)) {
      other = covering;
      continue;
    }
    started.eligible.push_back(FleetDeviceOf(entry.rollout, device, now));
  }
  if (started.eligible.empty() && other != nullptr) {
    return Fail(ErrorCode::kRolloutActive, "every device that this rollout selects is in rollout " +
                                               other->rollout.id + "; wait for it, or abort it");
  }
  return started;
}

void RolloutRunner::OnHello(const Device& device, Turn& turn) {
  if (!device.quarantine.empty() || device.behind) return;
  if (parts_.log.Covering(device.id) == nullptr) Join(device, turn);
  if (!device.hello->permit_wanted.IsZero()) AskForPermit(device, turn);
  if (parts_.dispatch.Wants(device.id)) return;
  if (auto wanted = MissingDirective(parts_.log, parts_.offers, device, turn.wall))
    parts_.dispatch.Want(device.id, std::move(*wanted));
}

/// Higher priority first, among equals by id.
std::vector<std::string> RolloutRunner::ByPriority() const {
  std::vector<std::string> ids;
  for (const auto& [id, entry] : parts_.log.all()) ids.push_back(id);
  std::stable_sort(ids.begin(), ids.end(), [&](const std::string& a, const std::string& b) {
    return parts_.log.Find(a)->rollout.spec.priority > parts_.log.Find(b)->rollout.spec.priority;
  });
  return ids;
}

void RolloutRunner::Join(const Device& device, Turn& turn) {
  for (const std::string& id : ByPriority()) {
    const RolloutEntry& known = *parts_.log.Find(id);
    const Rollout& rollout = known.rollout;
    if (known.model != device.model() || rollout.runs.empty() ||
        rollout.spec.membership == Membership::kFrozen)
      continue;
    if (LegalityOf(rollout.status, EventBody(DeviceJoined{}).index()) != Legality::kAccepted)
      continue;
    const FleetDevice candidate = FleetDeviceOf(rollout, device, turn.now);
    if (!candidate.has_model && !rollout.first_release) continue;
    if (rollout.excluded_hardware.contains(candidate.hardware)) continue;
    const auto releases = ReleasesOf(rollout.spec);
    if (!releases || !Selects(rollout.spec, *releases, device)) continue;
    (void)Apply(*parts_.log.FindMutable(id), DeviceJoined{candidate}, turn);
    return;
  }
}

void RolloutRunner::AskForPermit(const Device& device, Turn& turn) {
  if (!device.directive || device.directive->value.manifest != device.hello->permit_wanted) return;
  if (device.directive->value.action != DirectiveAction::kInstall) return;
  const std::string& rollout = device.directive->value.rollout;
  if (rollout.empty())
    return parts_.conversation.Grant(device.id, device.hello->permit_wanted, turn.now);
  RolloutEntry* entry = parts_.log.FindMutable(rollout);
  if (entry == nullptr) return;
  const auto member = entry->rollout.members.find(device.id);
  // One that waits already is granted in its turn.
  if (member == entry->rollout.members.end() || member->second.wants_permit) return;
  (void)Apply(*entry, PermitWanted{device.id}, turn);
}

void RolloutRunner::OnReport(const Device& device, Turn& turn) {
  const Report& report = *device.report;
  if (RolloutEntry* entry = parts_.log.FindMutable(report.rollout)) {
    const auto member = entry->rollout.members.find(device.id);
    // A word about the variant that it had before says nothing about the one that it has now.
    if (member != entry->rollout.members.end() &&
        (member->second.stage == kNoStage || entry->rollout.variants.size() == 1 ||
         report.manifest == ManifestFor(entry->rollout, member->second))) {
      (void)Apply(*entry,
                  DeviceReported{.device = device.id, .state = report.state, .code = report.code},
                  turn);
    }
  }
  if (!IsTerminal(report.state) || !device.quarantine.empty() || parts_.dispatch.Wants(device.id))
    return;
  if (auto wanted = MissingBaseline(parts_.log, parts_.offers, device, turn.wall)) {
    parts_.dispatch.Want(device.id, std::move(*wanted));
  }
}

void RolloutRunner::OnQuarantine(const Device& device, Turn& turn) {
  parts_.dispatch.Cancel(device.id);
  parts_.conversation.WithdrawPermit(device.id);
  if (RolloutEntry* entry = parts_.log.Covering(device.id))
    (void)Apply(*entry, DeviceLeft{device.id}, turn);
}

void RolloutRunner::OnClockAccepted(Turn& turn) { PublishOrder(turn); }

void RolloutRunner::FireTimers(Turn& turn) {
  for (const auto& [id, known] : parts_.log.all()) {
    RolloutEntry& entry = *parts_.log.FindMutable(id);
    for (int kind = 0; kind < kTimerKindCount; ++kind) {
      const std::optional<BootMs> at = entry.rollout.timers[static_cast<std::size_t>(kind)];
      if (at && *at <= turn.now) (void)Apply(entry, TimerFired{static_cast<TimerKind>(kind)}, turn);
    }
  }
}

void RolloutRunner::PauseAll(const std::string& reason, Turn& turn) {
  for (const auto& [id, known] : parts_.log.all()) {
    if (LegalityOf(known.rollout.status, EventBody(PauseRequested{}).index()) !=
        Legality::kAccepted)
      continue;
    (void)Apply(*parts_.log.FindMutable(id), PauseRequested{.reason = reason, .by = "the engine"},
                turn);
  }
}

// ---- reading ----

const RolloutRunner::Looks& RolloutRunner::LastLooks(const std::string& rollout) const {
  static const Looks kNone;
  const auto found = looks_.find(rollout);
  return found == looks_.end() ? kNone : found->second;
}

const LookSummary* RolloutRunner::LastLook(const Rollout& rollout) const {
  const Looks& looks = LastLooks(rollout.id);
  for (std::size_t i = 0; i < rollout.variants.size(); ++i) {
    const auto look = looks.find(static_cast<std::int32_t>(i));
    if (!rollout.variants[i].dropped && look != looks.end()) return &look->second;
  }
  return nullptr;
}

std::uint32_t RolloutRunner::TelemetryIntervalS(const std::string& device,
                                                std::uint32_t otherwise_s) const {
  const RolloutEntry* entry = std::as_const(parts_.log).Covering(device);
  if (entry == nullptr) return otherwise_s;
  return static_cast<std::uint32_t>(entry->rollout.spec.TelemetryIntervalMs() / limits::kSecond);
}

std::int64_t RolloutRunner::BaselineMs(const std::string& device) const {
  const RolloutEntry* entry = std::as_const(parts_.log).Covering(device);
  return entry == nullptr ? RolloutSpec().baseline_ms : entry->rollout.spec.baseline_ms;
}

void RolloutRunner::NoteUndeliverable(const Undeliverable& undeliverable, Turn& turn) {
  RolloutEntry* entry = parts_.log.FindMutable(undeliverable.rollout);
  if (entry == nullptr ||
      !undeliverable_.insert({undeliverable.rollout, undeliverable.error.code}).second)
    return;
  parts_.log.AddNote(*entry,
                     {.type = "undeliverable",
                      .by = "engine",
                      .via = "engine",
                      .ok = false,
                      .code = std::string(CodeName(undeliverable.error.code)),
                      .why = undeliverable.device + ": " + undeliverable.error.text},
                     turn);
}

}  // namespace sluice
