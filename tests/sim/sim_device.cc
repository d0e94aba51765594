#include "tests/sim/sim_device.h"

#include "tests/sim/sim_publisher.h"

namespace sluice::sim {
namespace {

constexpr char kStateDir[] = "/state";
constexpr std::int64_t kFastUs = 5'000;
constexpr std::int64_t kSlowUs = 2'000'000;

}  // namespace

SimDevice::SimDevice(const Setup& setup, const VirtualClock& world, MemoryBroker& broker,
                     ByteView root, SimRunner::Observer observer)
    : setup_(setup),
      broker_(broker),
      random_(setup.seed),
      clock_(world, setup.wall_error_ms),
      runner_(std::move(observer)),
      host_(runner_) {
  SLUICE_CHECK(device::FileSlotStore::Create(disk_, kStateDir, setup.slots, random_).has_value());
  auto store = device::FileSlotStore::Open(disk_, kStateDir);
  SLUICE_CHECK(store.has_value() && (*store)->WriteDocument("root", root).has_value());
}

Status SimDevice::PowerUp() {
  clock_.PowerUp();
  SLUICE_ASSIGN(store_, device::FileSlotStore::Open(disk_, kStateDir));
  transport_ = std::make_unique<MemoryTransport>(broker_, setup_.id);
  device::AgentOptions options;
  options.fleet_id = kFleet;
  options.device_id = setup_.id;
  options.model = kModel;
  options.hardware = setup_.hardware;
  SLUICE_ASSIGN(agent_,
                device::Agent::Open(options, {clock_, random_, *store_, *transport_, host_}));
  return transport_->Start(agent_->LastWill(), agent_->Subscriptions(), *this);
}

void SimDevice::PowerCut() {
  broker_.Kick(setup_.id);
  transport_.reset();
  agent_.reset();
  store_.reset();
  disk_.Crash([this] { return random_.Below(2) == 0; });
  static_cast<void>(runner_.Activate(nullptr));
}

std::int64_t SimDevice::NextWorkMs() const { return clock_.WorldMs(agent_->NextDeadline()); }

void SimDevice::Infer(int count) {
  const std::optional<ModelTraits> model = runner_.serving();
  if (!model) return;
  for (int i = 0; i < count; ++i) {
    const bool slow = random_.Below(1'000) < model->slow_permille;
    agent_->counters().RecordInference(slow ? kSlowUs : kFastUs,
                                       random_.Below(1'000) >= model->error_permille);
    agent_->counters().RecordOutcome(random_.Below(100) < model->field_accuracy_percent ? 1.0
                                                                                        : 0.0);
  }
}

}  // namespace sluice::sim
