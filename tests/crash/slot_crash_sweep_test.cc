// The power fails, or the disk does, at every operation of two updates; then everything must be as
// docs/device_storage.md promises, and the updates must come to their end.
#include <gtest/gtest.h>

#include <cstdio>

#include "common/base/clock.h"
#include "device_sdk/slots/file_slot_store.h"
#include "tests/crash/scripted_update.h"
#include "tests/support/sim_file_system.h"

namespace sluice::crash {
namespace {

using device::FileSlotStore;
using device::RecordOrigin;
using test_support::Fault;
using test_support::SimFileSystem;

constexpr const char* kStateDir = "/state";
constexpr std::uint64_t kSubsets = 20;
/// With no more things waiting than this, every subset is tried instead of kSubsets seeded ones.
constexpr std::size_t kExhaustiveUnitsMax = 6;

/// Which of the things that wait for a sync survive.
using Keep = std::function<bool()>;
Keep All() {
  return [] { return true; };
}
Keep None() {
  return [] { return false; };
}
Keep Seeded(std::uint64_t seed) {
  return [random = SeededRandom(seed)]() mutable { return random.Below(2) == 0; };
}
Keep Bits(std::uint64_t bits) {
  return [bits]() mutable {
    const bool keep = (bits & 1U) != 0;
    bits >>= 1;
    return keep;
  };
}

/// One device: its disk, and what its store promised so far.
struct World {
  SimFileSystem disk;
  Promises promises;
};

class SlotCrashSweep : public testing::Test {
 protected:
  SlotCrashSweep() : started_us_(SystemClock().MonotonicUs()) {
    SimFileSystem& disk = start_.disk;
    SeededRandom random(1);
    EXPECT_TRUE(FileSlotStore::Create(disk, kStateDir, 2, random));
    auto store = FileSlotStore::Open(disk, kStateDir);
    const test_support::SlotModel& first = script_.first();
    EXPECT_TRUE((*store)->InstallFirst(MemorySource(first.artifact), first.manifest, first.slot));
    start_.promises.record = (*store)->record();
    store->reset();
    disk.Crash(None());

    World whole = start_;
    EXPECT_TRUE(RunScript(whole));
    operations_ = whole.disk.operations() - start_.disk.operations();
  }
  ~SlotCrashSweep() override {
    const double seconds = static_cast<double>(SystemClock().MonotonicUs() - started_us_ + 1) / 1e6;
    std::printf("%lu operations, %lu states, %.0f states/s\n",
                static_cast<unsigned long>(operations_), static_cast<unsigned long>(states_),
                static_cast<double>(states_) / seconds);
  }

  Status RunScript(World& world) {
    SLUICE_ASSIGN(const auto store, FileSlotStore::Open(world.disk, kStateDir));
    return script_.Run(*store, world.promises);
  }

  /// The script up to its operation number `operation`, which meets `fault`.
  World RunInto(const World& from, std::uint64_t operation, Fault fault, std::uint64_t seed = 0) {
    World world = from;
    world.disk.InjectAt(from.disk.operations() + operation, fault, seed);
    const Status run = RunScript(world);
    if (run) {
      ADD_FAILURE() << "the fault was not noticed";
    } else {
      EXPECT_NE(run.error().code, ErrorCode::kInternal) << run.error().text;
    }
    return world;
  }

  /// What a device finds when it starts again, then the way to the end.
  Status CheckAndFinish(World& world) {
    ++states_;
    {
      SLUICE_ASSIGN(const auto store, FileSlotStore::Open(world.disk, kStateDir));
      SLUICE_TRY(RequireOrigin(*store, RecordOrigin::kStored));
      SLUICE_TRY(CheckInvariants(*store, world.promises));
    }
    SLUICE_TRY(CheckRebuild(world));
    SLUICE_TRY(RunScript(world));
    world.disk.Crash(None());  // the end is durable too
    SLUICE_ASSIGN(const auto store, FileSlotStore::Open(world.disk, kStateDir));
    SLUICE_TRY(CheckInvariants(*store, world.promises));
    return script_.CheckEnd(*store);
  }

  static Status RequireOrigin(const FileSlotStore& store, RecordOrigin origin) {
    if (store.origin() == origin) return {};
    return Fail(ErrorCode::kInternal, "the record came from somewhere else");
  }

  /// With both records rotten on top, a model that was confirmed once is found.
  Status CheckRebuild(const World& world) {
    SimFileSystem disk(world.disk);
    disk.Rot(std::string(kStateDir) + "/state.0", 0);
    disk.Rot(std::string(kStateDir) + "/state.1", 0);
    SLUICE_ASSIGN(const auto store, FileSlotStore::Open(disk, kStateDir));
    SLUICE_TRY(RequireOrigin(*store, RecordOrigin::kRebuilt));
    const device::StateRecord& record = store->record();
    if (script_.WasConfirmed(record.slots[*record.active].artifact)) return {};
    return Fail(ErrorCode::kInternal, "a model that was never confirmed was rebuilt");
  }

  void Expect(World world, const std::string& what) {
    const Status status = CheckAndFinish(world);
    ASSERT_TRUE(status) << what << ": " << status.error().Line();
  }

  /// Every way in which the power may fail in this state, judged one by one.
  void ExpectAllCrashes(const World& world, const std::string& what) {
    const std::size_t units = world.disk.pending_units();
    std::vector<std::pair<std::string, Keep>> crashes = {{"all kept", All()},
                                                         {"none kept", None()}};
    if (units <= kExhaustiveUnitsMax) {
      for (std::uint64_t bits = 1; bits + 1 < std::uint64_t{1} << units; ++bits) {
        crashes.emplace_back("subset " + std::to_string(bits), Bits(bits));
      }
    } else {
      for (std::uint64_t seed = 0; seed < kSubsets; ++seed) {
        crashes.emplace_back("seed " + std::to_string(seed), Seeded(seed));
      }
    }
    for (const auto& [name, keep] : crashes) {
      World crashed = world;
      crashed.disk.Crash(keep);
      Expect(std::move(crashed), what + ", " + name);
      if (HasFatalFailure()) return;
    }
  }

  ScriptedUpdate script_;
  World start_;
  std::uint64_t operations_ = 0;
  std::uint64_t states_ = 0;

 private:
  std::int64_t started_us_;
};

TEST_F(SlotCrashSweep, A28_SurvivesAPowerCutAtEveryOperation) {
  for (std::uint64_t operation = 1; operation <= operations_; ++operation) {
    const World world = RunInto(start_, operation, Fault::kPowerOff);
    ExpectAllCrashes(world, "operation " + std::to_string(operation));
    if (HasFatalFailure()) return;
  }
}

TEST_F(SlotCrashSweep, A28_SurvivesASecondPowerCutAtEveryOperationOfTheRecovery) {
  for (std::uint64_t operation = 1; operation <= operations_; ++operation) {
    for (const bool kept : {false, true}) {
      World first = RunInto(start_, operation, Fault::kPowerOff);
      first.disk.Crash([&] { return kept; });
      World whole = first;
      ASSERT_TRUE(RunScript(whole));
      const std::uint64_t rest = whole.disk.operations() - first.disk.operations();
      // Further on the second run is the first one again.
      for (std::uint64_t second = 1; second <= std::min<std::uint64_t>(rest, 24); ++second) {
        World world = RunInto(first, second, Fault::kPowerOff);
        world.disk.Crash(None());
        Expect(std::move(world), "operations " + std::to_string(operation) + " and " +
                                     std::to_string(second) + (kept ? ", all kept" : ""));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_F(SlotCrashSweep, A28_SurvivesEveryDiskFaultAtEveryOperation) {
  const std::vector<std::pair<const char*, Fault>> faults = {
      {"EIO", Fault::kIoError}, {"ENOSPC", Fault::kNoSpace}, {"short write", Fault::kShortWrite}};
  for (std::uint64_t operation = 1; operation <= operations_; ++operation) {
    for (const auto& [name, fault] : faults) {
      const std::string what = std::string(name) + " at operation " + std::to_string(operation);
      for (std::uint64_t seed = 0; seed < 3; ++seed) {
        const World world = RunInto(start_, operation, fault, seed);
        World restarted = world;
        restarted.disk.RestartProcess();
        Expect(std::move(restarted), what + ", then a restart");
        if (HasFatalFailure()) return;
        ExpectAllCrashes(world, what + ", then a power cut");
        if (HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::crash
