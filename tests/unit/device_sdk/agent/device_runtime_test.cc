#include "device_sdk/agent/device_runtime.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <thread>

#include "tests/unit/device_sdk/agent/agent_world.h"

namespace sluice::device {
namespace {

constexpr std::size_t kRuntimeSize = 100'000;

/// A device on its own thread; the broker is driven by another one on the real clock.
class DeviceRuntimeTest : public testing::Test {
 protected:
  void Open() {
    DeviceRuntime::Foundation on;
    on.files = std::make_unique<PosixFileSystem>();
    on.clock = std::make_unique<SystemClock>();
    on.random = std::make_unique<SeededRandom>(3);
    auto store = FileSlotStore::Open(*on.files, world_.directory.File("state"));
    ASSERT_TRUE(store);
    on.store = std::move(*store);
    on.transport = std::make_unique<MemoryTransport>(world_.broker, kDevice);
    on.host = std::make_unique<InProcessModelHost>(world_.runner);
    AgentOptions options = world_.options;
    options.log = nullptr;
    auto opened = DeviceRuntime::Open(options, std::move(on));
    ASSERT_TRUE(opened);
    device_ = std::move(*opened);
  }
  /// Until `done` holds for the device's status; false when patience ran out.
  bool DriveUntil(const std::function<bool(const sdk::DeviceStatus&)>& done) {
    for (int i = 0; i < 4'000; ++i) {
      // The engine's time is what counts, whatever year the machine of the test has.
      world_.engine.now_ms = kStartMs + (SystemClock().Boot() - start_);
      world_.broker.DeliverUntil(SystemClock().Boot().ms);
      if (done(device_->Inspect())) return true;
      for (int k = 0; k < 5; ++k) device_->RecordInference(std::chrono::microseconds(100), true);
      poll(nullptr, 0, 5);
    }
    return false;
  }
  const BootMs start_ = SystemClock().Boot();
  AgentWorld world_;
  PublishedRelease v1_ = world_.engine.Publish("v1", ModelBytes(kGoodModel, kRuntimeSize, 1));
  std::unique_ptr<DeviceRuntime> device_;
};

TEST_F(DeviceRuntimeTest, InstallsARevertableReleaseOnItsOwnThread) {
  world_.InstallFirst(v1_);
  const auto v2 = world_.engine.Publish("v2", ModelBytes(kGoodModel, kRuntimeSize, 2));
  Open();
  std::jthread thread(
      [this](const std::stop_token& stop) { EXPECT_TRUE(device_->Run(stop).ok()); });
  ASSERT_TRUE(DriveUntil([](const sdk::DeviceStatus& status) { return status.connected; }));
  Directive directive = world_.engine.InstallOf(v2);
  directive.trial_ms = 30'000;
  world_.engine.Send(directive);
  ASSERT_TRUE(DriveUntil([](const sdk::DeviceStatus& status) {
    return status.loaded_release == "v2" && status.phase == "STABLE";
  })) << device_->Inspect().state
      << " " << device_->Inspect().last_error;
  EXPECT_TRUE(device_->Revert("by hand").ok());
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
  EXPECT_EQ(device_->Revert("again").code, "E_NO_FALLBACK");
  thread.request_stop();
  thread.join();
}

TEST_F(DeviceRuntimeTest, RevertsWithoutRunning) {
  world_.InstallFirst(v1_);
  Open();
  EXPECT_EQ(device_->Inspect().loaded_release, "v1");
  EXPECT_EQ(device_->Revert("nothing to go back to").code, "E_NO_FALLBACK");
}

TEST_F(DeviceRuntimeTest, StopsWhileTheQueueIsFull) {
  world_.InstallFirst(v1_);
  Open();
  std::jthread thread(
      [this](const std::stop_token& stop) { EXPECT_TRUE(device_->Run(stop).ok()); });
  ASSERT_TRUE(DriveUntil([](const sdk::DeviceStatus& status) { return status.connected; }));
  std::jthread flood([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      world_.engine.SendRaw("sluice-dev/v1/all/order", Bytes(100, 7));
      world_.broker.DeliverUntil(SystemClock().Boot().ms);
    }
  });
  poll(nullptr, 0, 50);
  thread.request_stop();
  thread.join();
  flood.request_stop();
}

}  // namespace
}  // namespace sluice::device
