#include "tests/unit/device_sdk/agent/agent_world.h"

#include <algorithm>

#include "common/base/check.h"
#include "device_sdk/slots/file_source.h"

namespace sluice::device {
namespace {

constexpr std::int64_t kInferStepMs = 100;

}  // namespace

AgentWorld::AgentWorld(int slots) {
  options.fleet_id = kFleet;
  options.device_id = kDevice;
  options.model = kModelName;
  options.hardware = kHardware;
  options.log = [this](std::string_view line) { log.emplace_back(line); };
  SLUICE_CHECK(FileSlotStore::Create(files, directory.File("state"), slots, random).has_value());
  auto made = FileSlotStore::Open(files, directory.File("state"));
  SLUICE_CHECK(made.has_value() && (*made)->WriteDocument("root", engine.root()).has_value());
}

void AgentWorld::InstallFirst(const PublishedRelease& release) {
  const MemorySource artifact(release.artifact);
  auto opened = FileSlotStore::Open(files, directory.File("state"));
  SLUICE_CHECK(opened.has_value());
  const Status installed =
      (*opened)->InstallFirst(artifact, release.envelope,
                              {.state = SlotState::kEmpty,
                               .manifest = release.digest,
                               .artifact = release.manifest.artifact_sha256,
                               .size_bytes = release.artifact.size(),
                               .security_epoch = release.manifest.security_epoch,
                               .release = release.manifest.release,
                               .rollout = {},
                               .stage = 0,
                               .reason = {}});
  SLUICE_CHECK(installed.has_value());
}

void AgentWorld::Start() {
  auto opened = FileSlotStore::Open(files, directory.File("state"));
  SLUICE_CHECK(opened.has_value());
  store = std::move(*opened);
  transport = std::make_unique<MemoryTransport>(broker, kDevice);
  auto made = Agent::Open(options, {clock, random, *store, *transport, host});
  SLUICE_CHECK(made.has_value());
  agent = std::move(*made);
  SLUICE_CHECK(transport->Start(agent->LastWill(), agent->Subscriptions(), *this).has_value());
}

void AgentWorld::Stop() {
  if (transport) transport->Stop();
  agent.reset();
  transport.reset();
  store.reset();
}

void AgentWorld::Infer() {
  if (runner.serving.IsZero()) return;
  for (int i = 0; i < rate * kInferStepMs / 1'000; ++i) {
    agent->counters().RecordInference(latency_us,
                                      static_cast<int>(random.Below(100)) >= errors_percent);
    agent->counters().RecordOutcome(1.0);
  }
}

void AgentWorld::Run(std::int64_t ms) {
  const std::int64_t end = clock.boot_ms + ms;
  while (clock.boot_ms < end) {
    std::int64_t next = std::min(end, std::max(next_inference_ms_, clock.boot_ms + 1));
    if (const auto due = broker.NextDueMs()) next = std::min(next, *due);
    if (agent) next = std::min(next, agent->NextDeadline().ms);
    // What is overdue takes a millisecond too, so that a device that never comes to rest is found
    // by the test's end.
    clock.boot_ms = std::max(clock.boot_ms, next) + (next <= clock.boot_ms ? 1 : 0);
    engine.now_ms = kStartMs + clock.boot_ms;
    broker.DeliverUntil(clock.boot_ms);
    if (!agent) continue;
    if (clock.boot_ms >= next_inference_ms_) {
      next_inference_ms_ = clock.boot_ms + kInferStepMs;
      Infer();
    }
    agent->Poll();
  }
}

bool AgentWorld::RunUntil(UpdateState state, std::int64_t patience_ms) {
  for (std::int64_t waited = 0; waited < patience_ms; waited += 10) {
    if (agent->state() == state) return true;
    Run(10);
  }
  return agent->state() == state;
}

bool AgentWorld::RunUntilReport(const std::string& name, std::int64_t patience_ms) {
  const auto heard = [&] {
    const auto names = engine.ReportNames();
    return std::ranges::find(names, name) != names.end();
  };
  for (std::int64_t waited = 0; waited < patience_ms && !heard(); waited += 50) Run(50);
  return heard();
}

}  // namespace sluice::device
