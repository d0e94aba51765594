// Who takes part in a rollout's looks, in a form that a look reads from front to back.
//
// A rollout's members are a map by id, and so is telemetry: to look a million devices up in both
// costs more than to judge them. The list is kept between looks; what changes a device's part is
// noted, and Refresh() takes in what was.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rollout_engine/core/fleet_telemetry.h"
#include "rollout_engine/core/look_table.h"
#include "rollout_engine/core/rollout.h"

namespace sluice {

/// Devices that announced a silence, and how long it lasts (ms) from their last word on.
using Sleepers = std::map<std::string, std::int64_t>;

/// Exposed, and not gone by anybody's order. One that reverted by itself stays: that is evidence.
bool IsInTestArm(const Rollout& rollout, const Member& member);

/// Hardware that is judged on its own in the current stage.
std::vector<std::string> StrataOf(const Rollout& rollout);

struct RosterEntry {
  FleetTelemetry::Place place = 0;  // with kUnheard: in the list of those without telemetry
  std::uint32_t stratum = 0;        // hardware: its place in LookRoster::hardware()
  BootMs since;                     // counted from
  BootMs settles_at;
  std::int16_t variant = 0;
  bool is_control = false;
  bool is_tested = false;  // in the test arm, and watched
  bool self_reverted = false;
  bool may_install = false;  // these four: what a stage waits for
  bool is_of_cohort = false;
  bool is_own = false;  // of the current stage's
  bool is_active = false;
};

class LookRoster {
 public:
  static constexpr FleetTelemetry::Place kUnheard = FleetTelemetry::Place{1} << 31;

  /// A member's state, or the member, is not what it was. REQUIRES: called for every device that an
  /// event of the rollout names. What the rollout decides for many at once is seen without.
  void NoteChanged(const std::string& device) { changed_.insert(device); }
  /// REQUIRES: the rollout is in a stage; always the same rollout and fleet.
  void Refresh(const Rollout& rollout, const FleetTelemetry& fleet);

  /// The control arm, then all others; each by place.
  [[nodiscard]] std::span<const RosterEntry> entries() const { return entries_; }
  [[nodiscard]] std::span<const RosterEntry> Of(Arm arm) const;
  [[nodiscard]] const std::vector<std::string>& hardware() const { return hardware_; }
  [[nodiscard]] std::string_view IdOf(const RosterEntry& entry, const FleetTelemetry& fleet) const;

 private:
  /// What decides about many members at once.
  struct Shape {
    std::size_t runs = 0;
    RolloutStatus status = RolloutStatus::kScheduled;
    std::set<std::string> excluded_hardware;
    std::optional<std::int32_t> winner;
    std::vector<bool> dropped;
    friend bool operator==(const Shape&, const Shape&) = default;
  };
  static Shape ShapeOf(const Rollout& rollout);
  void Rebuild(const Rollout& rollout, const FleetTelemetry& fleet);
  void Add(const Rollout& rollout, const FleetTelemetry& fleet, const std::string& id,
           const Member& member);
  std::uint32_t PlaceOfHardware(const std::string& name);

  std::optional<Shape> shape_;
  std::vector<RosterEntry> entries_;
  std::size_t controls_ = 0;
  std::vector<std::string> hardware_;
  std::vector<std::string> unheard_;
  std::set<std::string> changed_;
};

/// A device counts as reachable when it was heard this recently.
inline constexpr std::int64_t kReachableMs = limits::kDay;

/// What the stage waits for, and what the release takes: told by the same records as a look.
struct Census {
  // Devices that may run the release: of all cohorts so far, and of the stage's own.
  std::int32_t reachable = 0, reachable_active = 0;
  std::int32_t own = 0, own_active = 0;
  std::vector<double> memory_percents;  // growth, of devices that report it from both releases
};

/// The devices of one look: those of the roster that the variant's look counts at this moment.
class RosterDevices : public LookDevices {
 public:
  /// The roster, which is fresh, and the fleet outlive this.
  RosterDevices(const Rollout& rollout, const LookRoster& roster, const FleetTelemetry& fleet,
                BootMs now, std::int32_t variant = 0, const Sleepers& sleepers = {});
  void ForEach(Arm arm, const Visit& visit) const override;
  /// The same with their ids, for a record.
  [[nodiscard]] std::vector<JudgedDevice> Listed() const;
  /// REQUIRES: both arms were walked.
  [[nodiscard]] const Census& census() const { return census_; }

 private:
  template <class Take>
  void Walk(Arm arm, Take take) const;
  void Prefetch(std::span<const RosterEntry> entries, std::size_t i) const;
  [[nodiscard]] bool IsCounted(const RosterEntry& entry) const;
  void Read(const RosterEntry& entry, LookDevice& device) const;
  void ReadRecord(const RosterEntry& entry, ByteView record, LookDevice& device) const;
  void Count(const RosterEntry& entry, ByteView record) const;

  const LookRoster& roster_;
  const FleetTelemetry& fleet_;
  const BootMs now_;
  const std::int32_t variant_;
  std::vector<std::uint32_t> stratum_of_;  // by hardware
  std::map<FleetTelemetry::Place, std::int64_t> sleep_ms_;
  mutable Census census_;                     // of the first walk over each arm
  mutable std::array<bool, 2> is_counted_{};  // by Arm
};

}  // namespace sluice
