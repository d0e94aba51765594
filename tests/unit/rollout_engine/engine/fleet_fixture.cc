#include "tests/unit/rollout_engine/engine/fleet_fixture.h"

#include <algorithm>
#include <cstdio>

#include "common/base/check.h"

namespace sluice {
namespace {

using test_support::FakeDevice;

constexpr char kFleetId[] = "test-fleet";
constexpr int kSettleRounds = 1'000;

SigningKey NewKey(Random& random) {
  auto key = SigningKey::Generate(SignatureAlgorithm::kEd25519, random);
  SLUICE_CHECK(key.has_value());
  return std::move(*key);
}

ObjectStore OpenObjects(const std::string& folder) {
  auto objects = ObjectStore::Open(folder);
  SLUICE_CHECK(objects.has_value());
  return std::move(*objects);
}

}  // namespace

Fleet::Fleet()
    : root_key_(NewKey(random_)),
      release_key_(NewKey(random_)),
      director_(NewKey(random_)),
      objects_(OpenObjects(directory_.path().string())) {
  Root root;
  root.fleet_id = kFleetId;
  root.root = {{root_key_.Public()}, 1};
  root.release = {{release_key_.Public()}, 1};
  root.director = {{director_.Public()}, 1};
  root.created_ms = clock_.Wall().ms - limits::kDay;
  root.expires_ms = clock_.Wall().ms + 730 * limits::kDay;
  root_ = Seal(PayloadType::kRoot, Encode(root), {&root_key_});
}

Fleet::~Fleet() {
  devices_.clear();
  transport_.reset();
}

Status Fleet::StartEngine() {
  payloads_ = std::make_unique<InlinePayloadBuilder>(objects_);
  transport_ = std::make_unique<MemoryTransport>(broker_, "engine");
  EngineOptions options;
  if (!rule_file.empty()) options.read_rules = [this] { return Result<std::string>(rule_file); };
  options.tell_rule_news = [this](const RuleNews& news) { rule_news.push_back(news); };
  SLUICE_ASSIGN(
      engine_, Engine::Open(std::move(options), {clock_, store_, objects_, *transport_, *payloads_},
                            director_, {root_}));
  SLUICE_TRY(transport_->Start(engine_->MakeWill(), engine_->Subscriptions(), *this));
  Settle();
  return {};
}

void Fleet::CrashEngine() {
  transport_.reset();
  engine_.reset();
  store_.Crash();
}

void Fleet::TakeOver() {
  const Freshness other{.fleet_id = kFleetId,
                        .number = {engine_->director().epoch() + 10, 1},
                        .now_ms = clock_.Wall().ms,
                        .held = {.root_version = 1}};
  engine_->HandleMessage({.topic = BuildTopic(AllKind::kFreshness),
                          .payload = Seal(PayloadType::kFreshness, Encode(other), {&director_})});
}

void Fleet::Settle() {
  for (int round = 0; round < kSettleRounds; ++round) {
    const std::size_t delivered = broker_.DeliverUntil(clock_.now_ms);
    if (engine_ == nullptr || !engine_ticks) {
      if (delivered == 0) return;
      continue;
    }
    last_tick = engine_->Tick();
    if (!last_tick) return;
    const auto deadline = engine_->NextDeadline();
    const bool due = deadline && *deadline <= engine_->Now();
    if (delivered == 0 && !due && !(broker_.NextDueMs() && *broker_.NextDueMs() <= clock_.now_ms))
      return;
  }
  ADD_FAILURE() << "the world does not settle";
}

void Fleet::Pass(std::int64_t ms) {
  const std::int64_t until = clock_.now_ms + ms;
  Settle();
  while (clock_.now_ms < until) {
    std::int64_t next = until;
    if (engine_ != nullptr && last_tick) {
      if (const auto deadline = engine_->NextDeadline()) {
        next =
            std::min(next, clock_.now_ms + std::max<std::int64_t>(1, *deadline - engine_->Now()));
      }
    }
    if (const auto due = broker_.NextDueMs())
      next = std::min(next, std::max(*due, clock_.now_ms + 1));
    clock_.now_ms = next;
    Settle();
  }
}

Bytes Fleet::Artifact(std::uint8_t flavour) {
  SeededRandom random(42);
  Bytes artifact(200'000);
  random.Fill(artifact);
  for (std::size_t i = 0; i < 1'000; ++i) artifact[i * 7] = flavour;
  return artifact;
}

Digest Fleet::Release(const std::string& name, std::uint64_t seq, const Bytes& artifact) {
  SLUICE_CHECK(objects_.PutBytes(artifact).has_value());
  ReleaseManifest manifest;
  manifest.fleet_id = kFleetId;
  manifest.model = "detector";
  manifest.release = name;
  manifest.release_seq = seq;
  manifest.hardware = {"edge-a", "edge-b"};
  manifest.format = "test";
  manifest.artifact_size = artifact.size();
  manifest.artifact_sha256 = Sha256(artifact);
  manifest.block_root = Sha256(BlockHashList(artifact));
  manifest.created_ms = clock_.Wall().ms;
  manifest.expires_ms = clock_.Wall().ms + 180 * limits::kDay;
  const Bytes envelope = Seal(PayloadType::kManifest, Encode(manifest), {&release_key_});
  const auto published = engine_->PublishRelease({name, {}, {envelope}});
  EXPECT_TRUE(published) << published.error().Line();
  const Digest digest = Sha256(envelope);
  catalog_[digest] = {name, manifest.artifact_sha256};
  return digest;
}

FakeDevice& Fleet::AddDevice(FakeDevice::Setup setup) {
  devices_.push_back(std::make_unique<FakeDevice>(broker_, root_, catalog_, std::move(setup),
                                                  devices_.size() + 100));
  return *devices_.back();
}

void Fleet::AddDevices(int count, std::optional<Digest> installed) {
  for (int i = 0; i < count; ++i) {
    char id[16];
    std::snprintf(id, sizeof id, "dev-%03d", i);
    FakeDevice::Setup setup;
    setup.id = id;
    setup.hardware = i % 2 == 0 ? "edge-a" : "edge-b";
    setup.installed = installed;
    AddDevice(std::move(setup)).Start();
  }
  Settle();
}

int Fleet::CountOn(const std::string& release) const {
  return static_cast<int>(std::count_if(devices_.begin(), devices_.end(), [&](const auto& device) {
    return device->release() == release;
  }));
}

void Fleet::InferAll(const std::string& bad_release) {
  for (auto& device : devices_) {
    if (device->active().IsZero()) continue;
    device->Infer(200, device->release() == bad_release ? 20 : 0, 0, 190);
  }
  Settle();
}

Outcome Fleet::Operate(const std::string& op, const std::string& rollout,
                       std::map<std::string, std::string> arguments) {
  char id[24];
  std::snprintf(id, sizeof id, "operation-%04d", ++operations_);
  Operation operation;
  operation.id = id;
  operation.object = rollout;
  operation.op = op;
  operation.arguments = std::move(arguments);
  operation.by = "tester";
  operation.via = "test";
  Outcome outcome = engine_->Execute(operation);
  Settle();
  return outcome;
}

Outcome Fleet::Create(const std::string& file, const std::string& id) {
  return Operate("create", id, {{"file", file}});
}

RolloutStatus Fleet::StatusOf(const std::string& id) { return rollout(id).status; }

std::string Fleet::Retained(const std::string& topic) {
  const auto message = broker_.Retained(topic);
  return message ? std::string(AsText(message->payload)) : std::string();
}

std::string TwoStages(const std::string& release, const std::string& rate) {
  return "rollout:\n  model_version: \"" + release + "\"\n  rate: {" + rate +
         "}\n"
         "  stages:\n"
         "    - name: canary\n"
         "      target_percent: 25\n"
         "      duration_hours: 0.01\n"
         "      success_criteria: {error_rate_max: 0.01}\n"
         "    - name: general\n"
         "      target_percent: 100\n"
         "      duration_hours: 0.01\n"
         "  rollback: {health_check_interval_sec: 5, confirm_deadline_sec: 30}\n";
}

}  // namespace sluice
