#include "rollout_engine/core/look_roster.h"

#include <algorithm>
#include <utility>

#include "rollout_engine/core/look_numbers.h"

namespace sluice {
namespace {

constexpr BootMs kSettled{INT64_MIN};

double Seconds(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

/// After the last stage only those who came late are watched.
bool IsWatched(const Rollout& rollout, const Member& member) {
  return rollout.status != RolloutStatus::kCompleted ||
         *member.activated_at > *rollout.runs.back().ended;
}

/// As records lie in memory: a walk in another order waits for nearly every one of them.
bool IsBefore(const RosterEntry& a, const RosterEntry& b) {
  return a.is_control != b.is_control ? a.is_control : a.place < b.place;
}

}  // namespace

bool IsInTestArm(const Rollout& rollout, const Member& member) {
  const bool ordered_back = member.state == DeviceState::kReverted && !member.self_reverted;
  return member.stage != kNoStage && member.activated_at.has_value() && !ordered_back &&
         MayInstall(rollout, member);
}

std::vector<std::string> StrataOf(const Rollout& rollout) {
  std::vector<std::string> strata;
  if (rollout.spec.rollback.per_hardware == PerHardware::kOff) return strata;
  for (const auto& [hardware, cut_off] : rollout.runs.back().cut_offs) {
    if (!rollout.excluded_hardware.contains(hardware)) strata.push_back(hardware);
  }
  return strata;
}

// ---- who takes part ----

LookRoster::Shape LookRoster::ShapeOf(const Rollout& rollout) {
  Shape shape{.runs = rollout.runs.size(),
              .status = rollout.status,
              .excluded_hardware = rollout.excluded_hardware,
              .winner = rollout.winner,
              .dropped = {}};
  for (const VariantRun& variant : rollout.variants) shape.dropped.push_back(variant.dropped);
  return shape;
}

void LookRoster::Refresh(const Rollout& rollout, const FleetTelemetry& fleet) {
  Shape shape = ShapeOf(rollout);
  // A device without telemetry may have some by now.
  if (shape_ != shape || !unheard_.empty()) {
    shape_ = std::move(shape);
    Rebuild(rollout, fleet);
    return;
  }
  if (changed_.empty()) return;
  std::vector<FleetTelemetry::Place> places;
  for (const std::string& device : changed_) {
    if (const auto place = fleet.PlaceOf(device)) places.push_back(*place);
  }
  std::sort(places.begin(), places.end());
  std::erase_if(entries_, [&](const RosterEntry& entry) {
    return std::binary_search(places.begin(), places.end(), entry.place);
  });
  const auto kept = static_cast<std::ptrdiff_t>(entries_.size());
  for (const std::string& device : changed_) {
    const auto member = rollout.members.find(device);
    if (member != rollout.members.end()) Add(rollout, fleet, device, member->second);
  }
  changed_.clear();
  std::sort(entries_.begin() + kept, entries_.end(), IsBefore);
  std::inplace_merge(entries_.begin(), entries_.begin() + kept, entries_.end(), IsBefore);
  controls_ = static_cast<std::size_t>(
      std::ranges::partition_point(entries_, &RosterEntry::is_control) - entries_.begin());
}

void LookRoster::Rebuild(const Rollout& rollout, const FleetTelemetry& fleet) {
  entries_.clear();
  hardware_.clear();
  unheard_.clear();
  changed_.clear();
  for (const auto& [id, member] : rollout.members) Add(rollout, fleet, id, member);
  std::sort(entries_.begin(), entries_.end(), IsBefore);
  controls_ = static_cast<std::size_t>(
      std::ranges::partition_point(entries_, &RosterEntry::is_control) - entries_.begin());
}

void LookRoster::Add(const Rollout& rollout, const FleetTelemetry& fleet, const std::string& id,
                     const Member& member) {
  const StageRun& run = rollout.runs.back();
  RosterEntry entry;
  entry.is_control = member.control && !rollout.excluded_hardware.contains(member.hardware);
  entry.is_of_cohort = member.stage != kNoStage;
  if (!entry.is_control && !entry.is_of_cohort) return;
  entry.is_tested = IsInTestArm(rollout, member) && IsWatched(rollout, member);
  entry.since = entry.is_control || !member.activated_at ? run.started : *member.activated_at;
  entry.settles_at = member.settles_at.value_or(kSettled);
  entry.variant = static_cast<std::int16_t>(member.variant);
  entry.self_reverted = member.self_reverted;
  entry.may_install = MayInstall(rollout, member);
  entry.is_own = member.stage == run.stage;
  entry.is_active = IsActive(member.state);
  entry.stratum = PlaceOfHardware(member.hardware);
  if (const auto place = fleet.PlaceOf(id)) {
    entry.place = *place;
  } else {
    entry.place = kUnheard | static_cast<FleetTelemetry::Place>(unheard_.size());
    unheard_.push_back(id);
  }
  entries_.push_back(entry);
}

std::uint32_t LookRoster::PlaceOfHardware(const std::string& name) {
  const auto found = std::ranges::find(hardware_, name);
  if (found != hardware_.end()) return static_cast<std::uint32_t>(found - hardware_.begin());
  hardware_.push_back(name);
  return static_cast<std::uint32_t>(hardware_.size() - 1);
}

std::span<const RosterEntry> LookRoster::Of(Arm arm) const {
  const std::span<const RosterEntry> all = entries_;
  return arm == Arm::kControl ? all.first(controls_) : all.subspan(controls_);
}

std::string_view LookRoster::IdOf(const RosterEntry& entry, const FleetTelemetry& fleet) const {
  if ((entry.place & kUnheard) != 0) return unheard_[entry.place & ~kUnheard];
  return fleet.IdAt(entry.place);
}

// ---- what they did ----

RosterDevices::RosterDevices(const Rollout& rollout, const LookRoster& roster,
                             const FleetTelemetry& fleet, BootMs now, std::int32_t variant,
                             const Sleepers& sleepers)
    : roster_(roster), fleet_(fleet), now_(now), variant_(variant) {
  const std::vector<std::string> strata = StrataOf(rollout);
  for (const std::string& hardware : roster.hardware()) {
    stratum_of_.push_back(
        static_cast<std::uint32_t>(std::ranges::find(strata, hardware) - strata.begin()));
  }
  for (const auto& [device, sleep_ms] : sleepers) {
    if (const auto place = fleet.PlaceOf(device)) sleep_ms_[*place] = sleep_ms;
  }
}

bool RosterDevices::IsCounted(const RosterEntry& entry) const {
  const bool is_in = entry.is_control || (entry.is_tested && entry.variant == variant_);
  return is_in && now_ >= entry.settles_at;
}

void RosterDevices::Prefetch(std::span<const RosterEntry> entries, std::size_t i) const {
  constexpr std::size_t kAhead = 12;
  if (i + kAhead < entries.size() && entries[i + kAhead].place < LookRoster::kUnheard)
    fleet_.Prefetch(entries[i + kAhead].place);
}

template <class Take>
void RosterDevices::Walk(Arm arm, Take take) const {
  const std::span<const RosterEntry> entries = roster_.Of(arm);
  const bool counts = !std::exchange(is_counted_[static_cast<std::size_t>(arm)], true);
  if (counts) census_.memory_percents.reserve(roster_.entries().size());
  LookDevice device{.arm = arm};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Prefetch(entries, i);
    const RosterEntry& entry = entries[i];
    if (counts && entry.place < LookRoster::kUnheard) Count(entry, fleet_.RecordAt(entry.place));
    if (!IsCounted(entry)) continue;
    Read(entry, device);
    take(entry, device);
  }
}

void RosterDevices::Count(const RosterEntry& entry, ByteView record) const {
  const RecordHead head(record);
  if (entry.is_of_cohort && entry.may_install && now_ - head.last_heard() < kReachableMs) {
    ++census_.reachable;
    census_.own += entry.is_own ? 1 : 0;
    census_.reachable_active += entry.is_active ? 1 : 0;
    census_.own_active += entry.is_own && entry.is_active ? 1 : 0;
  }
  if (!entry.is_active || entry.variant != variant_ || !head.runs_window()) return;
  LookNumbers::Memory memory;
  if (head.is_wide()) {
    const auto totals = UnpackTotals(record, TotalsPart::kWithoutMarks);
    memory = {totals->rss_kb, totals->rss_kb_before};
  } else {
    memory = LookNumbers::ReadMemory(record.subspan(record::kNumbersAt));
  }
  if (memory.rss_kb == 0 || memory.rss_kb_before == 0) return;
  census_.memory_percents.push_back(100.0 * memory.rss_kb / memory.rss_kb_before - 100);
}

void RosterDevices::Read(const RosterEntry& entry, LookDevice& device) const {
  device.stratum = stratum_of_[entry.stratum];
  device.since_activation_s = Seconds(now_ - entry.since);
  if (entry.place < LookRoster::kUnheard) {
    ReadRecord(entry, fleet_.RecordAt(entry.place), device);
  } else {
    // One that was never heard is silent since the arm began to count it.
    device.silence_s = device.since_activation_s;
    device.crashes = 0;
    device.windows = {};
    device.pre = {};
  }
  if (entry.self_reverted) device.crashes = std::max(device.crashes, 1.0);
}

void RosterDevices::ReadRecord(const RosterEntry& entry, ByteView record,
                               LookDevice& device) const {
  const RecordHead head(record);
  std::int64_t silent_ms = now_ - head.last_heard();
  if (!sleep_ms_.empty()) {
    const auto sleeper = sleep_ms_.find(entry.place);
    if (sleeper != sleep_ms_.end()) silent_ms -= sleeper->second;
  }
  device.silence_s =
      std::min(device.since_activation_s, Seconds(std::max<std::int64_t>(0, silent_ms)));
  if (head.is_wide()) {
    const auto totals = UnpackTotals(record, TotalsPart::kWithoutMarks);
    const Counters total = WindowTotal(*totals);
    device.windows = {total.Ratios(), EpochTotal(*totals).Ratios()};
    device.crashes = static_cast<double>(total.crashes);
    device.pre = totals->pre.value_or(RatioCounts{});
    return;
  }
  const LookNumbers numbers = head.Numbers();
  device.windows = {numbers.CumulativeRatios(), numbers.EpochRatios()};
  device.crashes = numbers.crashes();
  device.pre = numbers.History();
}

void RosterDevices::ForEach(Arm arm, const Visit& visit) const {
  Walk(arm, [&](const RosterEntry&, const LookDevice& device) { visit(device); });
}

std::vector<JudgedDevice> RosterDevices::Listed() const {
  std::vector<JudgedDevice> devices;
  for (const Arm arm : {Arm::kControl, Arm::kTest}) {
    Walk(arm, [&](const RosterEntry& entry, const LookDevice& device) {
      JudgedDevice& listed = devices.emplace_back();
      listed.id = roster_.IdOf(entry, fleet_);
      listed.arm = arm;
      listed.stratum = roster_.hardware()[entry.stratum];
      listed.since_activation_s = device.since_activation_s;
      listed.silence_s = device.silence_s;
      listed.crashes = device.crashes;
      listed.cum = device.windows[0];
      listed.epoch = device.windows[1];
      const bool has_history = entry.place < LookRoster::kUnheard &&
                               RecordHead(fleet_.RecordAt(entry.place)).has_history();
      if (has_history) listed.pre = device.pre;
    });
  }
  return devices;
}

}  // namespace sluice
