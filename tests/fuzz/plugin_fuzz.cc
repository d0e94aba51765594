// Anything that clients or an operator can hand to the broker plugin, one after the other. An input
// is a list of steps { u8 entry point, u16 length (LE), so many bytes }, all for one plugin; a
// length beyond the end means the rest. Nothing may end in a fault, the same input gives the same
// decisions twice, and the table of the guard holds whatever the topic.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "broker_plugin/partition.h"
#include "broker_plugin/plugin_instance.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/contract/topics.h"
#include "tests/unit/broker_plugin/fake_chunk_service.h"
#include "tests/unit/broker_plugin/recording_broker.h"

namespace sluice::plugin {
namespace {

constexpr std::string_view kDevice = "cam-1";
constexpr std::size_t kStepsMax = 64;

/// Counts the calls of the plugin's entry points and prints them at the end, as libFuzzer does with
/// its inputs.
struct CallCount {
  std::uint64_t calls = 0;
  ~CallCount() {
    std::fprintf(stderr, "stat::entry_point_calls: %llu\n", static_cast<unsigned long long>(calls));
  }
};
CallCount counted;

/// A plugin with a chunk service, in a broker and a time of its own.
class World {
 public:
  World() {
    InstanceOptions options;
    options.options = {{"engine_users", "engine"},
                       {"operator_users", "alice"},
                       {"admin_users", "carol"},
                       {"serving", "on"},
                       {"objects_dir", "/nowhere"}};
    options.boot = "b00t";
    options.make_chunks = [this](const ServingConfig&, Broker&, const Clock&) {
      return Result<std::unique_ptr<ChunkService>>(std::make_unique<FakeChunkService>(chunks_));
    };
    instance_ = std::make_unique<PluginInstance>(broker_, clock_, std::move(options));
  }

  void Step(std::uint8_t entry, ByteView input);

  /// All that became of it.
  std::string Trace() {
    instance_->OnTick();
    for (const auto& one : broker_.published) trace_ += one.topic + '\0' + one.payload + '\0';
    for (const std::string& name : broker_.kicked) trace_ += name + '\0';
    for (const auto& [level, line] : broker_.logged) {
      SLUICE_CHECK(line.find("E_INTERNAL") == std::string::npos);  // a fault
      trace_ += line + '\0';
    }
    return trace_ + std::to_string(chunks_.fetched.size());
  }

 private:
  void Note(Verdict verdict) { trace_ += std::to_string(static_cast<int>(verdict)); }
  void DeviceMessage(UpKind kind, ByteView payload);
  void Control(ByteView payload);
  void Config(ByteView text);
  void Acl(ByteView input);
  void TimePasses(ByteView input);

  FakeClock clock_;
  RecordingBroker broker_;
  FakeChunks chunks_;
  std::unique_ptr<PluginInstance> instance_;
  std::string trace_;
};

void World::DeviceMessage(UpKind kind, ByteView payload) {
  const std::string topic =
      BuildTopic(UpTopic{PartitionOfDevice(kDevice), std::string(kDevice), kind});
  const Client client{this, kDevice, kDevice};
  const int qos = kind == UpKind::kHello || kind == UpKind::kReport ? 1 : 0;
  const Verdict acl = instance_->OnAclCheck(client, {Access::kWrite, topic, payload, qos, false});
  SLUICE_CHECK(acl == Verdict::kAllow || acl == Verdict::kDeny);
  Note(acl);
  for (int i = 0; i < 3; ++i) {  // four such steps are enough for a quarantine
    const Verdict verdict = instance_->OnMessage(client, {topic, payload, qos});
    SLUICE_CHECK(verdict == Verdict::kRoute || verdict == Verdict::kDrop ||
                 (verdict == Verdict::kRefuse && qos == 1));
    Note(verdict);
  }
  counted.calls += 4;
}

void World::Control(ByteView payload) {
  const std::size_t before = broker_.published.size();
  instance_->OnControl({this, "carol", "x"}, payload);
  SLUICE_CHECK(broker_.published.size() > before);  // always a reply
  instance_->OnTick();
  counted.calls += 2;
}

void World::Config(ByteView text) {
  const Result<PluginConfig> config = ParsePluginConfig(AsText(text), {});
  ++counted.calls;
  if (!config) {
    trace_ += config.error().Line();
    return;
  }
  SLUICE_CHECK(!config->engine_users.empty());
  SLUICE_CHECK(IsTopicLevel(config->server));
  SLUICE_CHECK(config->rates.messages_per_s >= 1 && config->rates.up_bytes_per_s >= 4'096);
  SLUICE_CHECK(!config->serving.on || config->serving.objects_dir.starts_with('/'));
  trace_ += config->server;
}

/// Access, role, QoS and retain in one byte, then the topic, a newline, the payload.
void World::Acl(ByteView input) {
  if (input.empty()) return;
  const std::uint8_t flags = input[0];
  const std::string_view text = AsText(input.subspan(1));
  const std::string_view topic = text.substr(0, text.find('\n'));
  const std::string_view payload = text.substr(std::min(text.size(), topic.size() + 1));
  constexpr std::string_view kUsers[] = {"cam-1", "engine",  "alice", "carol",
                                         "",      "cam-1/x", "#",     "sluice-dev"};
  const std::size_t who = (flags >> 2) & 7;
  const std::string_view user = kUsers[who];
  const AclRequest request{static_cast<Access>(flags & 3), topic, AsBytes(payload),
                           (flags >> 5) & 3, (flags & 0x80) != 0};
  // Each user is a connection of his own, as the broker's pointers say.
  const Client client{kUsers + who, user, user};
  const Verdict verdict = instance_->OnAclCheck(client, request);
  const bool allowed = verdict == Verdict::kAllow;
  if (IsDevicePlane(topic)) {
    SLUICE_CHECK(verdict != Verdict::kDefer);
    const bool may = user == kDevice || user == "engine" || user == "sluice-dev";
    SLUICE_CHECK(!allowed || may);
    const bool for_all = topic.starts_with("sluice-dev/v1/all/");
    if (user == kDevice && allowed && !for_all) {
      SLUICE_CHECK(topic.find("/cam-1/") != std::string_view::npos);
      SLUICE_CHECK(topic.find_first_of("+#") == std::string_view::npos);
    }
  }
  const bool writes = request.access == Access::kWrite;
  if (writes && topic.starts_with("sluice/v1/server/")) SLUICE_CHECK(verdict == Verdict::kDeny);
  if (writes && user == kDevice && topic.starts_with("sluice/")) {
    SLUICE_CHECK(verdict == Verdict::kDeny);
  }
  if (PlaneOf(topic) == Plane::kForeign) SLUICE_CHECK(verdict == Verdict::kDefer);
  Note(verdict);
  Note(instance_->OnMessage(client, {topic, AsBytes(payload), request.qos}));
  Note(instance_->OnBasicAuth(client));
  if ((flags & 0x60) == 0x60) instance_->OnDisconnect(client);
  counted.calls += (flags & 0x60) == 0x60 ? 4 : 3;
}

/// Up to 65 s, with a turn of the broker's loop behind them.
void World::TimePasses(ByteView input) {
  const std::uint16_t ms = input.size() < 2 ? 1'000 : LoadLe<std::uint16_t>(input.data());
  clock_.Advance(ms);
  instance_->OnTick();
  if (!input.empty()) instance_->OnDisconnect({this, kDevice, kDevice});
  counted.calls += input.empty() ? 1 : 2;
}

void World::Step(std::uint8_t entry, ByteView input) {
  switch (entry % 8) {
    case 0:
      return DeviceMessage(UpKind::kFetch, input);
    case 1:
      return DeviceMessage(UpKind::kTelemetry, input);
    case 2:
      return Control(input);
    case 3:
      return Config(input);
    case 4:
      return Acl(input);
    case 5:
      return DeviceMessage(UpKind::kHello, input);
    case 6:
      return DeviceMessage(UpKind::kReport, input);
    default:
      return TimePasses(input);
  }
}

std::string Run(ByteView input) {
  constexpr std::size_t kHeader = 3;
  World world;
  for (std::size_t steps = 0; input.size() >= kHeader && steps < kStepsMax; ++steps) {
    const std::size_t length = LoadLe<std::uint16_t>(input.data() + 1);
    const ByteView rest = input.subspan(kHeader);
    world.Step(input[0], rest.first(std::min(length, rest.size())));
    input = rest.subspan(std::min(length, rest.size()));
  }
  return world.Trace();
}

}  // namespace
}  // namespace sluice::plugin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::ByteView input(data, size);
  SLUICE_CHECK(sluice::plugin::Run(input) == sluice::plugin::Run(input));
  return 0;
}
