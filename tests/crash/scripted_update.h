// Two updates of a device over a slot store, driven by the record alone: one is confirmed, one is
// reverted.
//
// It does what the agent does to a store, in the same order, and can be taken up after a crash at
// any point. On the way it notes what the store promised, so that a crash can be judged.
#pragma once

#include "device_sdk/slots/slot_store.h"
#include "tests/support/slot_model.h"

namespace sluice::crash {

/// What must still be true after any crash.
struct Promises {
  device::StateRecord record;                    // the newest that was written with success
  std::optional<device::StateRecord> attempted;  // its write did not return, or failed
  std::uint32_t blocks_done = 0;                 // of the slot that is WRITING
  std::vector<device::OutboxEntry> reports;      // pushed with success and not dropped
  std::uint64_t last_report_seq = 0;
};

class ScriptedUpdate {
 public:
  ScriptedUpdate();

  /// The model that the store has in slot a, GOOD, before the first Run.
  [[nodiscard]] const test_support::SlotModel& first() const { return first_; }

  /// Goes on from wherever `store` stands, to the end. The first error ends it.
  /// E_INTERNAL says that the store broke a promise.
  Status Run(device::SlotStore& store, Promises& promises) const;

  /// The two above are confirmed models; anything else was never proven.
  [[nodiscard]] bool WasConfirmed(const Digest& artifact) const;
  /// E_INTERNAL unless the second model is confirmed and serves, and the third is BAD.
  [[nodiscard]] Status CheckEnd(const device::SlotStore& store) const;

 private:
  struct Target {
    test_support::SlotModel model;
    bool healthy = false;
  };
  class Update;

  test_support::SlotModel first_;
  std::vector<Target> targets_;
};

/// E_INTERNAL names the invariant that a store, opened after a crash, breaks.
Status CheckInvariants(const device::SlotStore& store, const Promises& promises);

}  // namespace sluice::crash
