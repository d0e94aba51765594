// What the broker plugin costs and what it saves, against plain fan-out of the same bytes and
// against the engine serving through the same broker, all in one run on real Mosquittos.
//
//   bench_broker [--json FILE] [--seconds N] [--part few|many|store|foreign|rules]
//
// Exits 0 only if every goal is reached, 2 when a measurement could not be made.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>

#include "common/base/random.h"
#include "common/contract/limits.h"
#include "demo/child_process.h"
#include "rollout_engine/registry/object_store.h"
#include "tests/bench/engine_chunk_process.h"
#include "tests/bench/fetch_swarm.h"
#include "tests/bench/latency_probe.h"
#include "tests/bench/process_stats.h"
#include "tests/bench/report.h"
#include "tests/bench/rule_cost.h"
#include "tests/support/mosquitto_broker.h"

namespace sluice::bench {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using test_support::MosquittoBroker;
using test_support::TemporaryDirectory;

constexpr std::uint32_t kChunkBytes = 16'320;
constexpr std::uint32_t kWindowBytes = 64u << 10;
constexpr std::uint64_t kObjectBytes = std::uint64_t{kChunkBytes} * 512;  // 8 MiB, all in cache
constexpr int kFewDevices = 50;
constexpr int kManyDevices = 500;
constexpr int kRounds = 21;  // of plugin and fan-out, in turn
constexpr int kManyRounds = 5;
constexpr int kEngineRounds = 3;        // the last ones of these
constexpr milliseconds kWarmUp{1'500};  // caches, socket buffers, and a second request
constexpr int kStartAttempts = 10;      // warm-ups until who serves is connected
constexpr int kFanOutAhead = 4;         // messages: what a device's window holds
constexpr int kDroppedConnections = 1'000;
constexpr int kForeignMessages = 10'000;
constexpr int kForeignStarts = 7;  // how a process happens to lie in memory is worth some percent
constexpr int kForeignRounds = 15;
// 1.6 is out of reach on one machine: docs/benchmarks/broker.md has the profile.
constexpr double kToFanOut = 2.0;
constexpr double kMiB = 1 << 20;
constexpr const char* kBrokerConfig = "max_queued_messages 100\nsys_interval 1\n";

/// A broker, with the plugin or without, and the objects that it may serve.
struct Setup {
  TemporaryDirectory directory;
  Digest object;
  milliseconds time{1'000};
  std::string plugin;  // path of the .so
  std::string part;    // only this one; empty = all
  [[nodiscard]] bool Wants(std::string_view name) const { return part.empty() || part == name; }
};

struct Served {
  double broker_cpu_s_per_gb = 0;
  double engine_cpu_s_per_gb = 0;
  double mb_per_s = 0;
  double fairness = 0;  // slowest device / fastest
  double probe_p50_ms = 0, probe_p99_ms = 0;
  double rss_growth_mib = 0;
  int timeouts = 0;
};

Result<std::unique_ptr<MosquittoBroker>> StartBroker(const Setup& setup, bool with_plugin) {
  std::string config = kBrokerConfig;
  if (with_plugin) {
    const std::string file = setup.directory.Write(
        "plugin.conf",
        "server bench\nengine_users engine\ndevice_prefix load-\nforeign_topics allow\n"
        "basic_auth off\nserving on\nfetches_per_s 100000\nobjects_dir " +
            setup.directory.File("objects") + "\n");
    config += "plugin " + setup.plugin + "\nplugin_opt_config " + file + "\n";
  }
  return MosquittoBroker::Start(config);
}

SwarmOptions Devices(const Setup& setup, const MosquittoBroker& broker, int count) {
  return {.port = broker.port(),
          .devices = count,
          .chunk_bytes = kChunkBytes,
          .window_bytes = kWindowBytes,
          .object = setup.object,
          .object_bytes = kObjectBytes};
}

Result<double> PlainFanOut(const Setup& setup) {
  SLUICE_ASSIGN(const auto broker, StartBroker(setup, false));
  SLUICE_ASSIGN(FanOut fan_out, FanOut::Connect(broker->port(), kFewDevices));
  SLUICE_ASSIGN(const auto probe, LatencyProbe::Start(broker->port()));  // as beside the downloads
  const double before = CpuSeconds(broker->pid());
  SLUICE_ASSIGN(const std::uint64_t bytes, fan_out.Run(setup.time, kChunkBytes, kFanOutAhead));
  const double cpu_s = CpuSeconds(broker->pid()) - before;
  SLUICE_TRY(probe->Stop());
  return cpu_s / (static_cast<double>(bytes) / 1e9);
}

/// Downloads by `count` devices while a probe watches; `engine` is the process that serves, if it
/// is not the broker itself.
Result<Served> Download(const Setup& setup, const MosquittoBroker& broker, int count,
                        std::optional<pid_t> engine) {
  SLUICE_ASSIGN(FetchSwarm swarm, FetchSwarm::Connect(Devices(setup, broker, count)));
  SLUICE_TRY(swarm.Run(kWarmUp));
  for (int i = 0; swarm.TotalBytes() == 0 && i < kStartAttempts; ++i)
    SLUICE_TRY(swarm.Run(kWarmUp));
  if (swarm.TotalBytes() == 0) return Fail(ErrorCode::kTimeout, "nobody serves");
  const std::vector<std::uint64_t> bytes_before = swarm.BytesPerDevice();
  const std::uint64_t total_before = swarm.TotalBytes();
  ResetPeakMemory(broker.pid());
  const std::uint64_t rss_before = MemoryBytes(broker.pid(), "VmRSS:");
  SLUICE_ASSIGN(const auto probe, LatencyProbe::Start(broker.port()));
  const double broker_before = CpuSeconds(broker.pid());
  const double engine_before = engine ? CpuSeconds(*engine) : 0;
  SLUICE_TRY(swarm.Run(setup.time));
  const double gb = static_cast<double>(swarm.TotalBytes() - total_before) / 1e9;
  Served served;
  served.broker_cpu_s_per_gb = (CpuSeconds(broker.pid()) - broker_before) / gb;
  if (engine) served.engine_cpu_s_per_gb = (CpuSeconds(*engine) - engine_before) / gb;
  SLUICE_ASSIGN(const Latencies latencies, probe->Stop());
  served.probe_p50_ms = latencies.Quantile(0.5);
  served.probe_p99_ms = latencies.Quantile(0.99);
  served.mb_per_s = gb * 1e3 / (static_cast<double>(setup.time.count()) / 1e3);
  served.timeouts = swarm.timeouts();
  served.rss_growth_mib =
      (static_cast<double>(MemoryBytes(broker.pid(), "VmHWM:")) - static_cast<double>(rss_before)) /
      kMiB;
  std::vector<std::uint64_t> bytes = swarm.BytesPerDevice();
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] -= bytes_before[i];
  const auto [slowest, fastest] = std::minmax_element(bytes.begin(), bytes.end());
  served.fairness = static_cast<double>(*slowest) / static_cast<double>(*fastest);
  return served;
}

Result<Served> ServeByPlugin(const Setup& setup, int count) {
  SLUICE_ASSIGN(const auto broker, StartBroker(setup, true));
  return Download(setup, *broker, count, std::nullopt);
}

Result<Served> ServeByEngine(const Setup& setup, int count) {
  SLUICE_ASSIGN(const auto broker, StartBroker(setup, false));
  SLUICE_ASSIGN(demo::ChildProcess engine,
                demo::ChildProcess::Start(
                    {"/proc/self/exe", "--serve", broker->Url(), setup.directory.path().string()},
                    setup.directory.File("engine.log")));
  return Download(setup, *broker, count, engine.pid());
}

Result<double> UnloadedP99(const Setup& setup) {
  SLUICE_ASSIGN(const auto broker, StartBroker(setup, true));
  SLUICE_ASSIGN(const auto probe, LatencyProbe::Start(broker->port()));
  std::this_thread::sleep_for(setup.time);
  SLUICE_ASSIGN(const Latencies latencies, probe->Stop());
  return latencies.Quantile(0.99);
}

/// $SYS/broker/store/messages/bytes, as the broker tells it next.
Result<std::int64_t> StoreBytes(std::uint16_t port) {
  SLUICE_ASSIGN(MqttConnection watcher, MqttConnection::Open(port, "watcher"));
  SLUICE_TRY(watcher.Subscribe("$SYS/broker/store/messages/bytes", 0));
  std::int64_t bytes = -1;
  int seen = 0;  // the first is retained: from before
  constexpr int kSysPatienceMs = 5'000;
  while (seen < 3) {
    SLUICE_ASSIGN(const bool came,
                  watcher.ReadWithin(kSysPatienceMs, [&](std::string_view, ByteView payload) {
                    bytes = std::stoll(std::string(AsText(payload)));
                    ++seen;
                  }));
    if (!came) break;  // it is told when it has changed
  }
  if (bytes < 0) return Fail(ErrorCode::kTimeout, "the broker does not tell its store's size");
  return bytes;
}

/// KiB that the broker's store keeps after as many connections were cut in mid-transfer.
Result<double> StoreGrowthKiB(const Setup& setup) {
  SLUICE_ASSIGN(const auto broker, StartBroker(setup, true));
  SLUICE_ASSIGN(const std::int64_t before, StoreBytes(broker->port()));
  for (int i = 0; i < kDroppedConnections; ++i) {
    SLUICE_ASSIGN(const bool served, CutInMidTransfer(Devices(setup, *broker, 1), i % 50));
    if (!served) return Fail(ErrorCode::kTimeout, "no chunk before the cut");
  }
  SLUICE_ASSIGN(const std::int64_t after, StoreBytes(broker->port()));
  return static_cast<double>(after - before) / 1'024;
}

/// Broker CPU in us per message that has nothing to do with us.
Result<double> ForeignCost(MqttConnection& sender, MqttConnection& receiver, pid_t broker) {
  const Bytes payload(100, 0x20);
  const double before = CpuSeconds(broker);
  int received = 0;
  const auto count = [&](std::string_view, ByteView) { ++received; };
  constexpr int kBatch = 50;
  for (int sent = 0; sent < kForeignMessages;) {
    for (int i = 0; i < kBatch; ++i, ++sent) SLUICE_TRY(sender.Publish("plant/line/2", payload));
    while (received < sent) {
      SLUICE_ASSIGN(const bool came, receiver.ReadWithin(5'000, count));
      if (!came) return Fail(ErrorCode::kTimeout, "the broker lost a message");
    }
  }
  return (CpuSeconds(broker) - before) * 1e6 / kForeignMessages;
}

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size()))];
}
double Median(std::vector<double> values) { return Quantile(std::move(values), 0.5); }
/// Of the cheapest tenth of the rounds: what else the machine does only ever adds to a cost. Its
/// ratios repeat within half a percent where those of medians differ by three.
double Quiet(std::vector<double> values) { return Quantile(std::move(values), 0.1); }

using Costs = std::array<std::vector<double>, 2>;  // without the plugin, with it

/// Both brokers run at once and take turns, so that whatever else the machine does meets both.
Status CompareForeign(const Setup& setup, Costs& cost) {
  std::array<std::unique_ptr<MosquittoBroker>, 2> brokers;
  std::vector<MqttConnection> senders, receivers;
  for (const std::size_t with : {0u, 1u}) {
    SLUICE_ASSIGN(brokers[with], StartBroker(setup, with == 1));
    SLUICE_ASSIGN(MqttConnection sender, MqttConnection::Open(brokers[with]->port(), "plc"));
    SLUICE_ASSIGN(MqttConnection receiver, MqttConnection::Open(brokers[with]->port(), "scada"));
    SLUICE_TRY(receiver.Subscribe("plant/#", 0));
    senders.push_back(std::move(sender));
    receivers.push_back(std::move(receiver));
  }
  for (int round = 0; round < kForeignRounds; ++round) {
    for (std::size_t turn = 0; turn < 2; ++turn) {
      const std::size_t with = round % 2 == 0 ? turn : 1 - turn;
      SLUICE_ASSIGN(const double us,
                    ForeignCost(senders[with], receivers[with], brokers[with]->pid()));
      cost[with].push_back(us);
    }
  }
  return {};
}

json Row(const std::string& name, const Served& served) {
  std::printf(
      "%-34s %7.0f MB/s  broker %5.2f + engine %5.2f s/GB  others p50 %5.2f p99 %6.2f ms  "
      "fair %.2f  RSS +%.1f MiB  %d timeouts\n",
      name.c_str(), served.mb_per_s, served.broker_cpu_s_per_gb, served.engine_cpu_s_per_gb,
      served.probe_p50_ms, served.probe_p99_ms, served.fairness, served.rss_growth_mib,
      served.timeouts);
  std::fflush(stdout);
  return {{"name", name},
          {"mb_per_s", served.mb_per_s},
          {"broker_cpu_s_per_gb", served.broker_cpu_s_per_gb},
          {"engine_cpu_s_per_gb", served.engine_cpu_s_per_gb},
          {"others_p50_ms", served.probe_p50_ms},
          {"others_p99_ms", served.probe_p99_ms},
          {"fairness", served.fairness},
          {"rss_growth_mib", served.rss_growth_mib},
          {"timeouts", served.timeouts}};
}

struct Findings {
  std::vector<Goal> goals;
  json rows = json::array();
};

Status MeasureFew(const Setup& setup, Findings& findings) {
  std::vector<double> by_fan_out, by_plugin, to_engine, p99;
  for (int round = 0; round < kRounds; ++round) {
    SLUICE_ASSIGN(const double fan_out, PlainFanOut(setup));
    std::printf("%-34s broker %5.2f s/GB\n", "fan-out 1 to 50", fan_out);
    findings.rows.push_back({{"name", "fan-out 1 to 50"}, {"broker_cpu_s_per_gb", fan_out}});
    SLUICE_ASSIGN(const Served plugin, ServeByPlugin(setup, kFewDevices));
    findings.rows.push_back(Row("plugin, 50 devices", plugin));
    by_fan_out.push_back(fan_out);
    by_plugin.push_back(plugin.broker_cpu_s_per_gb);
    p99.push_back(plugin.probe_p99_ms);
    if (round < kRounds - kEngineRounds) continue;
    SLUICE_ASSIGN(const Served engine, ServeByEngine(setup, kFewDevices));
    findings.rows.push_back(Row("engine, 50 devices", engine));
    to_engine.push_back(plugin.broker_cpu_s_per_gb /
                        (engine.broker_cpu_s_per_gb + engine.engine_cpu_s_per_gb));
  }
  findings.goals.push_back({"broker CPU per GB, plugin over plain fan-out, 50 devices",
                            Median(by_plugin) / Median(by_fan_out), kToFanOut});
  findings.goals.push_back(
      {"CPU per GB, plugin over broker + engine, 50 devices", Median(to_engine), 0.5});
  findings.goals.push_back({"others' p99 beside those 50, ms", Median(p99), 5});
  return {};
}

Status MeasureMany(const Setup& setup, Findings& findings) {
  SLUICE_ASSIGN(const double unloaded_ms, UnloadedP99(setup));
  std::vector<double> p99, fairness, growth;
  for (int round = 0; round < kManyRounds; ++round) {
    SLUICE_ASSIGN(const Served plugin, ServeByPlugin(setup, kManyDevices));
    findings.rows.push_back(Row("plugin, 500 devices", plugin));
    p99.push_back(plugin.probe_p99_ms);
    fairness.push_back(plugin.fairness);
    growth.push_back(plugin.rss_growth_mib);
  }
  SLUICE_ASSIGN(const Served engine, ServeByEngine(setup, kManyDevices));
  findings.rows.push_back(Row("engine, 500 devices", engine));
  std::printf("others' p99 without load: %.2f ms\n", unloaded_ms);
  findings.goals.push_back({"others' p99 beside 500 devices, ms (or 3 times unloaded)", Median(p99),
                            std::max(5.0, 3 * unloaded_ms)});
  findings.goals.push_back({"fairness among 500 devices", Median(fairness), 0.9, Bound::kAtLeast});
  findings.goals.push_back(
      {"broker memory growth, MiB", *std::max_element(growth.begin(), growth.end()), 32});
  return {};
}

Status MeasureStore(const Setup& setup, Findings& findings) {
  SLUICE_ASSIGN(const double kept_kib, StoreGrowthKiB(setup));
  findings.goals.push_back({"store growth after 1,000 cut connections, KiB", kept_kib, 64});
  return {};
}

Status MeasureForeign(const Setup& setup, Findings& findings) {
  Costs cost;
  for (int start = 0; start < kForeignStarts; ++start) SLUICE_TRY(CompareForeign(setup, cost));
  std::printf("an unrelated message: %.2f us of broker CPU with the plugin, %.2f without\n",
              Quiet(cost[1]), Quiet(cost[0]));
  findings.rows.push_back({{"name", "unrelated message"},
                           {"with_plugin_us", Quiet(cost[1])},
                           {"without_us", Quiet(cost[0])}});
  findings.goals.push_back({"plugin's cost on an unrelated message, percent",
                            100 * (Quiet(cost[1]) / Quiet(cost[0]) - 1), 3});
  return {};
}

Status MeasureRulesToo(const Setup&, Findings& findings) {
  const RuleCost rules = MeasureRules();
  findings.goals.insert(findings.goals.end(), rules.goals.begin(), rules.goals.end());
  findings.rows.insert(findings.rows.end(), rules.rows.begin(), rules.rows.end());
  return {};
}

Result<Findings> Measure(const Setup& setup) {
  Findings findings;
  if (setup.Wants("few")) SLUICE_TRY(MeasureFew(setup, findings));
  if (setup.Wants("many")) SLUICE_TRY(MeasureMany(setup, findings));
  if (setup.Wants("store")) SLUICE_TRY(MeasureStore(setup, findings));
  if (setup.Wants("foreign")) SLUICE_TRY(MeasureForeign(setup, findings));
  if (setup.Wants("rules")) SLUICE_TRY(MeasureRulesToo(setup, findings));
  return findings;
}

Status MakeObject(Setup& setup) {
  SLUICE_ASSIGN(const ObjectStore objects, ObjectStore::Open(setup.directory.path().string()));
  SeededRandom random(1);
  Bytes bytes;
  while (bytes.size() < kObjectBytes) AppendLe(bytes, random.Next());
  bytes.resize(kObjectBytes);
  SLUICE_ASSIGN(const ObjectInfo info, objects.PutBytes(bytes));
  setup.object = info.sha256;
  return {};
}

Result<bool> Run(const std::vector<std::string>& words) {
  if (words.size() == 3 && words[0] == "--serve") {
    SLUICE_TRY(ServeChunksAsEngine(words[1], words[2]));
    return true;
  }
  Setup setup;
  std::string json_file;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--json" && i + 1 < words.size()) {
      json_file = words[++i];
    } else if (words[i] == "--seconds" && i + 1 < words.size()) {
      setup.time = milliseconds(1'000 * std::max(1, std::atoi(words[++i].c_str())));
    } else if (words[i] == "--part" && i + 1 < words.size()) {
      setup.part = words[++i];
    } else {
      return Fail(ErrorCode::kUsage,
                  "bench_broker [--json FILE] [--seconds N] [--part few|many|store|foreign|rules]");
    }
  }
  setup.plugin = (std::filesystem::canonical("/proc/self/exe").parent_path() / "sluice_plugin.so");
  SLUICE_TRY(MakeObject(setup));
  SLUICE_ASSIGN(const Findings findings, Measure(setup));
  const bool reached = PrintGoals(findings.goals);
  if (!json_file.empty()) SLUICE_TRY(WriteJson(json_file, findings.goals, findings.rows));
  return reached;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  const auto reached = sluice::bench::Run(std::vector<std::string>(argv + 1, argv + argc));
  if (!reached) {
    std::fprintf(stderr, "%s\n", reached.error().Line().c_str());
    return 2;
  }
  return *reached ? 0 : 1;
}
