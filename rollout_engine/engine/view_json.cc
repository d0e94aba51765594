#include "rollout_engine/engine/view_json.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace sluice {
namespace {

constexpr double kMilliPercentPerPercent = 1000;

const StageRun* RunOf(const Rollout& rollout, std::int32_t stage) {
  for (const StageRun& run : rollout.runs) {
    if (run.stage == stage) return &run;
  }
  return nullptr;
}

std::int32_t Sum(const StateCounts& counts, std::initializer_list<DeviceState> states) {
  std::int32_t sum = 0;
  for (const DeviceState state : states) sum += counts[static_cast<std::size_t>(state)];
  return sum;
}

std::int32_t Active(const StateCounts& counts) {
  return Sum(counts, {DeviceState::kActivating, DeviceState::kTrial, DeviceState::kConfirmed});
}

double Percent(std::int64_t part, std::int64_t whole) {
  return whole == 0
             ? 0
             : std::round(1000.0 * static_cast<double>(part) / static_cast<double>(whole)) / 10;
}

/// When silence begins to mean something: after its last word, or after the sleep that it
/// announced.
BootMs ExpectedFrom(const ViewSources& sources, const std::string& id) {
  const Device* device = sources.devices.Find(id);
  const std::int64_t sleep_s =
      device != nullptr && device->IsAsleep() ? device->hello->next_contact_s : 0;
  return sources.telemetry.LastHeard(id) + sleep_s * limits::kSecond;
}

/// The counts of a rollout's topic, with lost devices told apart from those that still talk.
void PutCounts(const ViewSources& sources, const Rollout& rollout, Json& json) {
  StateCounts counts{};
  std::int32_t targeted = 0;
  std::int32_t deferred = 0;
  for (const auto& [id, member] : rollout.members) {
    if (member.stage == kNoStage) continue;
    ++targeted;
    if (member.deferred) ++deferred;
    const DeviceState state =
        DeviceStateAt(rollout, member, ExpectedFrom(sources, id), sources.now);
    ++counts[static_cast<std::size_t>(state)];
  }
  json["targeted"] = targeted;
  json["offered"] = Sum(counts, {DeviceState::kOffered});
  json["downloading"] = Sum(counts, {DeviceState::kDownloading});
  json["verified"] = Sum(counts, {DeviceState::kVerified});
  json["trial"] = Sum(counts, {DeviceState::kActivating, DeviceState::kTrial});
  json["confirmed"] = Sum(counts, {DeviceState::kConfirmed});
  json["failed"] = Sum(counts, {DeviceState::kFailed});
  json["reverted"] = Sum(counts, {DeviceState::kReverted});
  json["lost"] = Sum(counts, {DeviceState::kLost});
  json["deferred"] = deferred;
}

std::string_view StageStatus(const Rollout& rollout, std::int32_t stage) {
  const StageRun* run = RunOf(rollout, stage);
  const bool is_current = run != nullptr && stage == CurrentStage(rollout);
  switch (rollout.status) {
    case RolloutStatus::kCompleted:
      return run != nullptr ? "passed" : "waiting";
    case RolloutStatus::kAborted:
      return is_current ? "aborted" : run != nullptr ? "passed" : "waiting";
    case RolloutStatus::kRollingBack:
    case RolloutStatus::kRolledBack:
      return is_current ? "failed" : run != nullptr ? "passed" : "waiting";
    case RolloutStatus::kScheduled:
      return "waiting";
    case RolloutStatus::kRunning:
      return is_current ? "running" : run != nullptr ? "passed" : "waiting";
    case RolloutStatus::kHolding:
    case RolloutStatus::kPaused:
    case RolloutStatus::kAwaitingApproval:
      return is_current ? "holding" : run != nullptr ? "passed" : "waiting";
  }
  return "waiting";
}

/// Of several variants: the one that has won, until then what they are compared as.
const std::string& ReleaseOf(const Rollout& rollout) {
  const auto variant = FinalVariant(rollout);
  return variant ? rollout.spec.ReleaseName(static_cast<std::size_t>(*variant))
                 : rollout.spec.model_version;
}

std::string_view VariantStatus(const Rollout& rollout, std::int32_t variant) {
  if (FinalVariant(rollout) == variant) return "won";
  const VariantRun& run = rollout.variants[static_cast<std::size_t>(variant)];
  if (!run.dropped) return "testing";
  return run.last && run.last->decision == Decision::kRollBack ? "dropped" : "outdone";
}

std::string_view VerdictOf(const StageRun* run) {
  return run != nullptr && run->decision ? VerdictWord(*run->decision) : "pending";
}

std::int64_t SoakLeftS(const ViewSources& sources, const Rollout& rollout) {
  const auto left_ms = SoakLeftMs(rollout, sources.now);
  return left_ms ? (*left_ms + limits::kSecond - 1) / limits::kSecond : -1;
}

std::string SlotName(const Device& device) {
  if (!device.hello || device.hello->active_slot < 0) return "";
  return std::string(1, static_cast<char>('a' + device.hello->active_slot));
}

/// The release to revert to, if there is one.
std::string PreviousRelease(const Device& device) {
  if (!device.hello) return "";
  for (const SlotSummary& slot : device.hello->slots) {
    if (slot.state == SlotState::kGood && slot.artifact != device.active_artifact)
      return slot.release;
  }
  return "";
}

/// What keeps an update that is on its way: the device's own policy, an Order, a permit, or sleep.
std::string_view WaitingOf(const ViewSources& sources, const Device& device, DeviceState state) {
  if (device.IsAsleep()) return "sleeping";
  if (!device.HasWork()) return "";
  if (device.report && device.report->state == ReportState::kDeferred &&
      device.report->directive == device.directive->value.number) {
    return "deferred";
  }
  const RolloutEntry* entry = sources.log.Find(device.directive->value.rollout);
  if (entry != nullptr && !entry->rollout.order.empty()) return "held";
  return state == DeviceState::kVerified ? "permit" : "";
}

std::string ErrorOf(const Device& device) {
  if (!device.quarantine.empty()) return device.quarantine;
  if (!device.report || device.report->code.empty()) return "";
  return device.report->text.empty() ? device.report->code
                                     : device.report->code + ": " + device.report->text;
}

bool IsBusy(DeviceState state) {
  return state == DeviceState::kDownloading || state == DeviceState::kVerified ||
         state == DeviceState::kActivating || state == DeviceState::kTrial;
}

}  // namespace

DeviceState StateOf(ReportState state) noexcept {
  switch (state) {
    case ReportState::kDownloading:
      return DeviceState::kDownloading;
    case ReportState::kDeferred:
      return DeviceState::kOffered;
    case ReportState::kReady:
      return DeviceState::kVerified;
    case ReportState::kActivating:
      return DeviceState::kActivating;
    case ReportState::kActivated:
      return DeviceState::kTrial;
    case ReportState::kConfirmed:
      return DeviceState::kConfirmed;
    case ReportState::kRejected:
    case ReportState::kFailed:
      return DeviceState::kFailed;
    case ReportState::kReverted:
      return DeviceState::kReverted;
    case ReportState::kWithdrawn:
      return DeviceState::kSuperseded;
    case ReportState::kHolding:
      return DeviceState::kIdle;
  }
  return DeviceState::kIdle;
}

DeviceState StateOf(const ViewSources& sources, const Device& device) {
  const RolloutEntry* entry = sources.log.Covering(device.id);
  if (entry != nullptr) {
    const Member& member = entry->rollout.members.at(device.id);
    if (member.stage != kNoStage) {
      return DeviceStateAt(entry->rollout, member, ExpectedFrom(sources, device.id), sources.now);
    }
  }
  const bool offered = device.HasWork() && !(device.report && device.report->directive ==
                                                                  device.directive->value.number);
  if (offered) return DeviceState::kOffered;
  return device.report ? StateOf(device.report->state) : DeviceState::kIdle;
}

Json EngineJson(const EngineFacts& facts, const ViewSources& sources) {
  return {{"version", facts.version},
          {"epoch", facts.epoch},
          {"leader", facts.leader},
          {"broker_connected", facts.broker_connected},
          {"devices", sources.devices.all().size()},
          {"online", sources.devices.online_count()},
          {"store", facts.store_ok ? "ok" : "readonly"},
          {"server", facts.servers.server},
          {"server_lease", ServerLeases::HealthName(facts.servers.health)},
          {"server_serving", facts.servers.serving},
          {"ts", sources.wall.ms}};
}

Json FleetJson(const ViewSources& sources) {
  StateCounts counts{};
  std::int64_t sleeping = 0;
  for (const auto& [id, device] : sources.devices.all()) {
    ++counts[static_cast<std::size_t>(StateOf(sources, device))];
    if (WaitingOf(sources, device, DeviceState::kIdle) == "sleeping") ++sleeping;
  }
  return {{"devices", sources.devices.all().size()},
          {"online", sources.devices.online_count()},
          {"confirmed", Sum(counts, {DeviceState::kConfirmed})},
          {"downloading", Sum(counts, {DeviceState::kDownloading})},
          {"trial", Sum(counts, {DeviceState::kActivating, DeviceState::kTrial})},
          {"failed", Sum(counts, {DeviceState::kFailed})},
          {"reverted", Sum(counts, {DeviceState::kReverted})},
          {"sleeping", sleeping},
          {"lost", Sum(counts, {DeviceState::kLost})},
          {"ts", sources.wall.ms}};
}

Json RolloutJson(const ViewSources& sources, const RolloutEntry& entry) {
  const Rollout& rollout = entry.rollout;
  const std::int32_t stage = CurrentStage(rollout);
  const bool started = stage != kNoStage;
  const StageSpec* spec = started ? &rollout.spec.stages[static_cast<std::size_t>(stage)] : nullptr;
  Json json = {
      {"rid", rollout.id},
      {"model", entry.model},
      {"release", ReleaseOf(rollout)},
      {"status", RolloutStatusName(rollout.status)},
      {"stage", started ? spec->name : ""},
      {"stage_no", stage + 1},
      {"stages", rollout.spec.stages.size()},
      {"percent", started ? spec->target / kMilliPercentPerPercent : 0.0},
      {"verdict", VerdictOf(started ? &rollout.runs.back() : nullptr)},
      {"why", rollout.why},
      {"eta_s", rollout.status == RolloutStatus::kRunning ? SoakLeftS(sources, rollout) : -1},
      {"rev", entry.rev},
      {"ts", sources.wall.ms}};
  PutCounts(sources, rollout, json);
  return json;
}

Json StageJson(const ViewSources& sources, const RolloutEntry& entry, std::int32_t stage) {
  const Rollout& rollout = entry.rollout;
  const StageSpec& spec = rollout.spec.stages[static_cast<std::size_t>(stage)];
  const StageRun* run = RunOf(rollout, stage);
  const bool is_current = run != nullptr && stage == CurrentStage(rollout);
  const std::int32_t devices = run != nullptr ? CohortCount(rollout, stage) : 0;
  return {{"name", spec.name},
          {"target_percent", spec.target / kMilliPercentPerPercent},
          {"devices", devices},
          {"done_percent",
           run != nullptr ? Percent(Active(CountStates(rollout, stage)), devices) : 0.0},
          {"started", run != nullptr ? run->started_wall.ms : 0},
          {"soak_left_s", is_current ? SoakLeftS(sources, rollout) : -1},
          {"status", StageStatus(rollout, stage)},
          {"verdict", VerdictOf(run)},
          {"why", run != nullptr ? run->why : ""},
          {"ts", sources.wall.ms}};
}

Json VariantJson(const ViewSources& sources, const RolloutEntry& entry, std::int32_t variant) {
  const Rollout& rollout = entry.rollout;
  const auto index = static_cast<std::size_t>(variant);
  const VariantRun& run = rollout.variants[index];
  std::int32_t devices = 0;
  std::int32_t active = 0;
  for (const auto& [id, member] : rollout.members) {
    if (member.stage == kNoStage || member.variant != variant) continue;
    ++devices;
    if (IsActive(member.state)) ++active;
  }
  Json json = {{"version", rollout.spec.ReleaseName(index)},
               {"weight", rollout.spec.variants.empty() ? 1 : rollout.spec.variants[index].weight},
               {"status", VariantStatus(rollout, variant)},
               {"devices", devices},
               {"done_percent", Percent(active, devices)}};
  const auto& looks = sources.runner.LastLooks(rollout.id);
  if (const auto look = looks.find(variant); look != looks.end())
    json.update(ComparisonJson(entry, look->second));
  json["verdict"] = run.last ? VerdictWord(run.last->decision) : "pending";
  json["why"] = run.last ? run.last->sentence : "";
  json.erase("ts");
  json["ts"] = sources.wall.ms;
  return json;
}

Json ComparisonJson(const RolloutEntry& entry, const LookSummary& look) {
  Json json = {{"stage", entry.rollout.spec.stages[static_cast<std::size_t>(look.stage)].name},
               {"look", look.look},
               {"control_n", look.control_n},
               {"test_n", look.test_n},
               {"latency_p99_ms_control", look.control_latency_p99_ms},
               {"latency_p99_ms_test", look.test_latency_p99_ms}};
  for (const CriterionSummary& c : look.criteria) {
    const bool is_metric = c.criterion == MetricName(Metric::kErrorRate) ||
                           c.criterion == MetricName(Metric::kLatencyExceed) ||
                           c.criterion == MetricName(Metric::kAccuracyDrop);
    if (c.scope != "fleet" || !is_metric || c.limit == 0) continue;
    json[c.criterion + "_control"] = c.control;
    json[c.criterion + "_test"] = c.observed;
    json[c.criterion + "_lo"] = c.lo;
    json[c.criterion + "_hi"] = c.hi;
    json[c.criterion + "_limit"] = c.limit;
    json[c.criterion + "_verdict"] = c.verdict;
  }
  json["verdict"] = look.verdict;
  json["ts"] = look.ts_ms;
  return json;
}

Json DeviceJson(const ViewSources& sources, const Device& device) {
  const DeviceState state = StateOf(sources, device);
  const bool offered = device.directive &&
                       device.directive->value.action == DirectiveAction::kInstall &&
                       (!device.directive->finished || state == DeviceState::kConfirmed);
  const bool reports_on_it = device.report && device.directive &&
                             device.report->directive == device.directive->value.number;
  const std::uint64_t done = reports_on_it ? device.report->bytes_done : 0;
  const std::uint64_t total = reports_on_it ? device.report->bytes_total : 0;
  std::string reported = sources.offers.ReleaseNameOf(device.active_artifact);
  if (reported.empty()) reported = device.ReleaseOf(device.active_artifact);
  return {{"model", device.model()},
          {"reported", reported},
          {"desired", offered ? device.directive->release : reported},
          {"previous", PreviousRelease(device)},
          {"state", DeviceStateName(state)},
          {"waiting", WaitingOf(sources, device, state)},
          {"busy", IsBusy(state)},
          {"progress", Percent(static_cast<std::int64_t>(done), static_cast<std::int64_t>(total))},
          {"bytes_done", done},
          {"bytes_total", total},
          {"slot", SlotName(device)},
          {"error", ErrorOf(device)},
          {"next_contact_s", device.hello && device.hello->next_contact_s > 0
                                 ? static_cast<std::int64_t>(device.hello->next_contact_s)
                                 : -1},
          {"ts", sources.wall.ms}};
}

Json DeviceMetricsJson(const ViewSources& sources, const Device& device) {
  Counters counters;
  const auto totals = sources.telemetry.fleet().Get(device.id, TotalsPart::kWithoutMarks);
  if (totals) counters = TotalOf(*totals, device.active_artifact.Prefix64());
  const auto ratio = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
  const RatioCounts ratios = counters.Ratios();
  const RatioCount& errors = ratios[static_cast<std::size_t>(Metric::kErrorRate)];
  const RatioCount& scores = ratios[static_cast<std::size_t>(Metric::kAccuracyDrop)];
  return {
      {"release", sources.offers.ReleaseNameOf(device.active_artifact)},
      {"accuracy", ratio(scores.y, scores.n)},
      {"error_rate", ratio(errors.y, errors.n)},
      {"latency_p99_ms",
       sources.telemetry.LatencyP99Of(device.id, device.active_artifact.Prefix64()).value_or(-1)},
      {"n", counters.inferences},
      {"ts", sources.wall.ms}};
}

}  // namespace sluice
