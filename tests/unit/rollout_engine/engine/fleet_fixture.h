// A small fleet around the real engine: broker, store and clock in memory, devices that are fake,
// releases that are signed.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rollout_engine/engine/engine.h"
#include "tests/support/fake_device.h"
#include "tests/support/memory_store.h"
#include "tests/support/temporary_directory.h"

namespace sluice {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] WallMs Wall() const override {
    return {1'790'000'000'000 + wall_error_ms + now_ms};
  }
  [[nodiscard]] BootMs Boot() const override { return {now_ms}; }
  [[nodiscard]] std::int64_t MonotonicUs() const override { return now_ms * 1'000; }
  std::int64_t now_ms = 1'000;
  std::int64_t wall_error_ms = 0;
};

class Fleet : private TransportEvents {
 public:
  Fleet();
  ~Fleet() override;

  // ---- the engine ----
  /// Opens it on what the store holds, and connects it.
  Status StartEngine();
  /// kill -9 and power loss: what was not synced is gone.
  void CrashEngine();
  /// Another engine with the fleet's key and a higher epoch speaks.
  void TakeOver();
  Engine& engine() { return *engine_; }
  MemoryStore& store() { return store_; }
  const ObjectStore& objects() { return objects_; }
  MemoryBroker& broker() { return broker_; }
  FakeClock& clock() { return clock_; }

  // ---- the world ----
  /// Delivers and ticks until nothing more happens at this moment.
  void Settle();
  /// Lets time pass, stopping at everything that is due.
  void Pass(std::int64_t ms);
  /// The rule file; the engine that is started next, and each reload, read it. "" = none.
  std::string rule_file;
  /// What the rules have told.
  std::vector<RuleNews> rule_news;
  /// Settle does not tick: the engine hears and does not decide.
  bool engine_ticks = true;
  /// The status of the newest tick.
  Status last_tick;

  // ---- releases and devices ----
  /// Publishes `name` with an artifact of these bytes; returns the digest of its manifest.
  Digest Release(const std::string& name, std::uint64_t seq, const Bytes& artifact);
  static Bytes Artifact(std::uint8_t flavour);
  test_support::FakeDevice& AddDevice(test_support::FakeDevice::Setup setup);
  /// dev-000 to dev-NNN on `installed`, started and settled.
  void AddDevices(int count, std::optional<Digest> installed);
  test_support::FakeDevice& device(int index) { return *devices_[static_cast<std::size_t>(index)]; }
  std::vector<std::unique_ptr<test_support::FakeDevice>>& devices() { return devices_; }
  int CountOn(const std::string& release) const;
  /// Every device infers; those on `bad_release` with one error in ten.
  void InferAll(const std::string& bad_release = "");

  // ---- operations ----
  Outcome Operate(const std::string& op, const std::string& rollout,
                  std::map<std::string, std::string> arguments = {});
  Outcome Create(const std::string& file, const std::string& id);
  RolloutStatus StatusOf(const std::string& rollout);
  const Rollout& rollout(const std::string& id) { return engine_->rollouts().Find(id)->rollout; }
  std::string Retained(const std::string& topic);

  const SigningKey& director_key() const { return director_; }
  const Bytes& root() const { return root_; }

 private:
  void OnConnected() override { engine_->HandleConnected(); }
  void OnDisconnected(const Error&) override { engine_->HandleDisconnected(); }
  void OnMessage(MqttMessage message) override { engine_->HandleMessage(message); }
  void OnPublished(std::uint64_t, bool) override {}

  SeededRandom random_{7};
  SigningKey root_key_, release_key_, director_;
  Bytes root_;
  FakeClock clock_;
  MemoryBroker broker_;
  MemoryStore store_;
  test_support::TemporaryDirectory directory_;
  ObjectStore objects_;
  test_support::Catalog catalog_;
  std::unique_ptr<InlinePayloadBuilder> payloads_;
  std::unique_ptr<MemoryTransport> transport_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::unique_ptr<test_support::FakeDevice>> devices_;
  int operations_ = 0;
};

/// Two stages, looks every 10 s, soaks of 30 s; without telemetry nothing is promoted.
std::string TwoStages(const std::string& release, const std::string& rate = "initial_devices: 100");

}  // namespace sluice
