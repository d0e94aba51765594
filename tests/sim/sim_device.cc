#include "tests/sim/sim_device.h"

#include <unistd.h>

#include <algorithm>

#include "common/contract/codec.h"
#include "tests/sim/sim_publisher.h"

namespace sluice::sim {
namespace {

constexpr char kStateDir[] = "/state";
constexpr std::int64_t kFastUs = 5'000;
constexpr std::int64_t kSlowUs = 2'000'000;

}  // namespace

SimDevice::SimDevice(const Setup& setup, const VirtualClock& world, MemoryBroker& broker,
                     ByteView root, Observer observer)
    : setup_(setup),
      observer_(std::move(observer)),
      broker_(broker),
      random_(setup.seed),
      clock_(world, setup.wall_error_ms),
      runner_({[this](const Digest& loaded) {
                 if (!has_lost_power()) observer_.on_load(loaded);
               },
               [this](const Digest& serving, sdk::Purpose purpose) { OnServe(serving, purpose); }}),
      host_(runner_) {
  SLUICE_CHECK(device::FileSlotStore::Create(disk_, kStateDir, setup.slots, random_).has_value());
  auto store = device::FileSlotStore::Open(disk_, kStateDir);
  SLUICE_CHECK(store.has_value() && (*store)->WriteDocument("root", root).has_value());
}

Status SimDevice::PowerUp() {
  clock_.PowerUp();
  SLUICE_ASSIGN(store_, device::FileSlotStore::Open(disk_, kStateDir));
  TellGoodSlots();
  transport_ = std::make_unique<MemoryTransport>(broker_, setup_.id);
  device::AgentOptions options;
  options.fleet_id = kFleet;
  options.device_id = setup_.id;
  options.model = kModel;
  options.hardware = setup_.hardware;
  options.log = [this](std::string_view line) {
    if (!has_lost_power()) observer_.on_log(line);
  };
  SLUICE_ASSIGN(agent_,
                device::Agent::Open(options, {clock_, random_, *store_, *transport_, host_}));
  AfterEvent();
  return transport_->Start(agent_->LastWill(), agent_->Subscriptions(), *this);
}

void SimDevice::TellGoodSlots() const {
  for (device::SlotId slot = 0; slot < store_->slot_count(); ++slot) {
    const device::SlotRecord& record = store_->record().slots[slot];
    if (record.state != SlotState::kGood) continue;
    const auto open = store_->OpenAndHash(slot);
    if (open) close(open->fd);
    observer_.on_good_slot(record, open ? std::optional(open->sha256) : std::nullopt);
  }
}

void SimDevice::PowerCut() {
  broker_.Kick(setup_.id);
  transport_.reset();
  agent_.reset();
  store_.reset();
  disk_.Crash([this] { return random_.Below(2) == 0; });
  fault_.reset();
  static_cast<void>(runner_.Activate(nullptr));
  served_ = {Digest{}};
}

void SimDevice::FailDisk(test_support::Fault fault, std::uint64_t within) {
  fault_ = fault;
  disk_.InjectAt(disk_.operations() + 1 + random_.Below(within), fault, random_.Next());
}

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

std::size_t SimDevice::CountReportsAbove(std::uint64_t seq) const {
  const std::vector<device::OutboxEntry> pending = store_->PendingReports();
  return static_cast<std::size_t>(std::count_if(
      pending.begin(), pending.end(), [&](const auto& entry) { return entry.seq > seq; }));
}

void SimDevice::Work() {
  agent_->Poll();
  AfterEvent();
}

void SimDevice::OnConnected() {
  agent_->HandleConnected();
  AfterEvent();
}

void SimDevice::OnDisconnected(const Error&) {
  agent_->HandleDisconnected();
  AfterEvent();
}

void SimDevice::OnMessage(MqttMessage message) {
  agent_->HandleMessage(message);
  AfterEvent();
}

void SimDevice::OnPublished(std::uint64_t publish_id, bool ok) {
  agent_->HandlePublished(publish_id, ok);
  AfterEvent();
}

void SimDevice::OnServe(const Digest& serving, sdk::Purpose purpose) {
  if (has_lost_power()) return;
  served_.push_back(serving);
  observer_.on_serve(serving, purpose);
}

void SimDevice::AfterEvent() {
  next_work_ms_ = clock_.WorldMs(agent_->NextDeadline());
  if (has_lost_power()) return;
  observer_.on_event(agent_->Inspect(), served_);
  TellReports();
  served_ = {served_.back()};
}

void SimDevice::TellReports() {
  if (store_->LastReportSeq() <= told_report_seq_) return;
  for (const device::OutboxEntry& entry : store_->PendingReports()) {
    if (entry.seq <= told_report_seq_) continue;
    if (const auto report = Decode<Report>(entry.report)) observer_.on_report(*report, served_);
  }
  told_report_seq_ = store_->LastReportSeq();
}

}  // namespace sluice::sim
