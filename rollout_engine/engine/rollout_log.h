// The rollouts: each is its log of events, stepped through the pure machine of core and rebuilt
// from the log at a start.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rollout_engine/core/look.h"
#include "rollout_engine/engine/turn.h"

namespace sluice {

/// Why something happened to a rollout, for people.
struct RolloutNote {
  std::uint64_t seq = 0;
  std::string type;  // an operation, "decision", "status", "notify"
  std::string by;
  std::string via;
  std::string op_id;
  bool ok = true;
  std::string code = "OK";
  std::string why;
  std::int64_t ts_ms = 0;
};

struct RolloutEntry {
  Rollout rollout;
  std::string model;
  std::int64_t created_ms = 0;
  std::int64_t started_ms = 0;  // 0 = not yet
  std::int64_t ended_ms = 0;    // 0 = not yet
  std::uint64_t rev = 0;        // rises with every change that an operator can see coming
  std::uint64_t events = 0;     // in its log
  std::uint64_t notes = 0;
};

/// Not over yet: it covers its devices, and no other rollout of the model may take them.
bool IsOpen(RolloutStatus status) noexcept;

class RolloutLog {
 public:
  /// Replays every log. E_STORE_CORRUPT when one does not replay.
  Status Load(const Store& store);

  [[nodiscard]] const std::map<std::string, RolloutEntry>& all() const { return entries_; }
  [[nodiscard]] const RolloutEntry* Find(const std::string& id) const;
  [[nodiscard]] RolloutEntry* FindMutable(const std::string& id);
  /// The next free r-NNNN.
  [[nodiscard]] std::string NextId() const;

  /// REQUIRES: a free id that is a topic level, a parsed spec.
  Result<RolloutEntry*> Create(const std::string& id, const std::string& model, RolloutSpec spec,
                               Turn& turn);
  /// Steps the machine and puts the event into the batch; on error nothing changed. What was
  /// refused or had come too late is not logged.
  Result<std::vector<Effect>> Apply(RolloutEntry& entry, EventBody body, Turn& turn);

  void AddNote(RolloutEntry& entry, RolloutNote note, Turn& turn);
  static Result<std::vector<RolloutNote>> Notes(const Store& store, const std::string& id,
                                                std::optional<std::uint64_t> after,
                                                std::size_t limit);
  /// Which look of a rollout.
  struct LookNumber {
    std::int32_t stage = 0;
    std::int32_t look = 1;
    std::int32_t variant = 0;
  };
  static std::string DecisionKey(const std::string& id, const LookNumber& number);
  /// Stores a look, and forgets the one that is too old to be kept beside it.
  static void AddDecision(const std::string& id, const LookNumber& number, std::string_view record,
                          Turn& turn);

  /// The open rollout that counts this device, or nullptr.
  [[nodiscard]] RolloutEntry* Covering(const std::string& device);
  [[nodiscard]] const RolloutEntry* Covering(const std::string& device) const;
  /// The newest completed rollout that brought `model` to `hardware` and whose file `selects` takes
  /// for meant, or nullptr. It has a FinalVariant.
  [[nodiscard]] const RolloutEntry* Baseline(
      const std::string& model, const std::string& hardware,
      const std::function<bool(const RolloutSpec&)>& selects) const;
  /// The whole Order: every rollout's entries, oldest closed ones first to go when there are too
  /// many.
  [[nodiscard]] std::vector<OrderEntry> Order(WallMs now) const;
  /// The earliest armed timer of any rollout.
  [[nodiscard]] std::optional<BootMs> NextTimer() const;
  /// The newest engine time in any log.
  [[nodiscard]] BootMs newest_event() const { return newest_event_; }

 private:
  Status Replay(const Store& store, RolloutEntry& entry);
  void Note(RolloutEntry& entry, const Event& event, RolloutStatus status_before,
            std::int32_t stage_before);

  std::map<std::string, RolloutEntry> entries_;
  BootMs newest_event_;
};

}  // namespace sluice
