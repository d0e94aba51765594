// Anything that a client or an operator can hand to the broker plugin. The first byte picks the
// entry point. Nothing may end in a fault, the same input gives the same decision twice, and the
// table of the guard holds whatever the topic.
#include <algorithm>
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

/// A plugin with a chunk service, in a broker and a time of its own.
struct World {
  World() {
    InstanceOptions options;
    options.options = {{"engine_users", "engine"},
                       {"operator_users", "alice"},
                       {"admin_users", "carol"},
                       {"serving", "on"},
                       {"objects_dir", "/nowhere"}};
    options.boot = "b00t";
    options.make_chunks = [this](const ServingConfig&, Broker&, const Clock&) {
      return Result<std::unique_ptr<ChunkService>>(std::make_unique<FakeChunkService>(chunks));
    };
    instance = std::make_unique<PluginInstance>(broker, clock, std::move(options));
  }

  /// All that became of it.
  std::string Trace() const {
    std::string trace;
    for (const auto& one : broker.published) trace += one.topic + '\0' + one.payload + '\0';
    for (const std::string& name : broker.kicked) trace += name + '\0';
    for (const auto& [level, line] : broker.logged) {
      SLUICE_CHECK(line.find("E_INTERNAL") == std::string::npos);  // a fault
      trace += line + '\0';
    }
    return trace + std::to_string(chunks.fetched.size());
  }

  FakeClock clock;
  RecordingBroker broker;
  FakeChunks chunks;
  std::unique_ptr<PluginInstance> instance;
};

std::string RunMessage(UpKind kind, ByteView payload) {
  World world;
  const std::string topic =
      BuildTopic(UpTopic{PartitionOfDevice(kDevice), std::string(kDevice), kind});
  const Client client{&world, kDevice, kDevice};
  const int qos = kind == UpKind::kHello || kind == UpKind::kReport ? 1 : 0;
  const Verdict acl =
      world.instance->OnAclCheck(client, {Access::kWrite, topic, payload, qos, false});
  SLUICE_CHECK(acl == Verdict::kAllow || acl == Verdict::kDeny);
  std::string trace = std::to_string(static_cast<int>(acl));
  for (int i = 0; i < 12; ++i) {  // often enough for a quarantine
    const Verdict verdict = world.instance->OnMessage(client, {topic, payload, qos});
    SLUICE_CHECK(verdict == Verdict::kRoute || verdict == Verdict::kDrop);
    trace += std::to_string(static_cast<int>(verdict));
  }
  world.instance->OnDisconnect(client);
  world.instance->OnTick();
  return trace + world.Trace();
}

std::string RunControlMessage(ByteView payload) {
  World world;
  world.instance->OnControl({&world, "carol", "x"}, payload);
  SLUICE_CHECK(world.broker.published.size() >= 1);  // always a reply
  world.instance->OnTick();
  return world.Trace();
}

std::string RunConfig(ByteView text) {
  const Result<PluginConfig> config = ParsePluginConfig(AsText(text), {});
  if (!config) return config.error().Line();
  SLUICE_CHECK(!config->engine_users.empty());
  SLUICE_CHECK(IsTopicLevel(config->server));
  SLUICE_CHECK(config->rates.messages_per_s >= 1 && config->rates.up_bytes_per_s >= 4'096);
  SLUICE_CHECK(!config->serving.on || config->serving.objects_dir.starts_with('/'));
  SLUICE_CHECK(config == ParsePluginConfig(AsText(text), {}));
  return config->server;
}

/// Access, role, QoS and retain in one byte, then the topic, a newline, the payload.
std::string RunAcl(ByteView input) {
  if (input.empty()) return {};
  const std::uint8_t flags = input[0];
  const std::string_view text = AsText(input.subspan(1));
  const std::string_view topic = text.substr(0, text.find('\n'));
  const std::string_view payload = text.substr(std::min(text.size(), topic.size() + 1));
  constexpr std::string_view kUsers[] = {"cam-1", "engine",  "alice", "carol",
                                         "",      "cam-1/x", "#",     "sluice-dev"};
  const std::string_view user = kUsers[(flags >> 2) & 7];
  const AclRequest request{static_cast<Access>(flags & 3), topic, AsBytes(payload),
                           (flags >> 5) & 3, (flags & 0x80) != 0};
  World world;
  const Client client{&world, user, user};
  const Verdict verdict = world.instance->OnAclCheck(client, request);
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
  world.instance->OnMessage(client, {topic, AsBytes(payload), request.qos});
  world.instance->OnBasicAuth(client);
  world.instance->OnTick();
  return std::to_string(static_cast<int>(verdict)) + world.Trace();
}

std::string Run(std::uint8_t entry, ByteView input) {
  switch (entry % 5) {
    case 0:
      return RunMessage(UpKind::kFetch, input);
    case 1:
      return RunMessage(UpKind::kTelemetry, input);
    case 2:
      return RunControlMessage(input);
    case 3:
      return RunConfig(input);
    default:
      return RunAcl(input);
  }
}

}  // namespace
}  // namespace sluice::plugin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const sluice::ByteView input(data + 1, size - 1);
  SLUICE_CHECK(sluice::plugin::Run(data[0], input) == sluice::plugin::Run(data[0], input));
  return 0;
}
