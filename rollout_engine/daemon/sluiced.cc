// sluiced: the engine as a daemon. Builds the object graph, waits for a signal, takes it down in
// the opposite order. SIGHUP reads the rule file again.
//
// Exit codes: 0 ended by SIGINT or SIGTERM, 1 cannot run, 2 usage, 5 another engine owns the store
// or the socket.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <system_error>

#include "common/mqtt/paho_transport.h"
#include "rollout_engine/api/http_server.h"
#include "rollout_engine/daemon/daemon_options.h"
#include "rollout_engine/engine/engine_loop.h"
#include "rollout_engine/registry/file_io.h"
#include "rollout_engine/rules/limits.h"
#include "rollout_engine/store/rocksdb_store.h"

namespace sluice {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitLocked = 5;
constexpr std::uint64_t kPasswordBytesMax = 1'024;

/// Passes connection news on to the log; everything goes to the loop.
class LoggedEvents final : public TransportEvents {
 public:
  explicit LoggedEvents(EngineLoop& loop) : loop_(loop) {}
  void OnConnected() override {
    spdlog::info("connected to the broker");
    loop_.OnConnected();
  }
  void OnDisconnected(const Error& why) override {
    spdlog::warn("not connected to the broker: {}", why.Line());
    loop_.OnDisconnected(why);
  }
  void OnSubscriptionRefused(const std::string& filter) override {
    spdlog::warn("the broker refuses to let rules listen to {}; see its ACL", filter);
  }
  void OnMessage(MqttMessage message) override { loop_.OnMessage(std::move(message)); }
  void OnPublished(std::uint64_t publish_id, bool ok) override {
    loop_.OnPublished(publish_id, ok);
  }

 private:
  EngineLoop& loop_;
};

/// Blocked in every thread, so that only WaitForSignal sees them. REQUIRES: called before any
/// thread is started.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  (void)std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

/// SIGHUP's reload: an operation as anybody else's, under an id of its own.
void ReloadRules(EngineLoop& loop) {
  SystemRandom random;
  Bytes bytes(8);
  random.Fill(bytes);
  const Operation reload{.id = "signal-" + ToHex(bytes),
                         .subject = Subject::kEngine,
                         .op = "reload_rules",
                         .by = "SIGHUP",
                         .via = "signal"};
  const auto outcome = loop.Run([&](Engine& engine) { return engine.Execute(reload); });
  if (!outcome) return spdlog::error("rules not read again: {}", outcome.error().Line());
  if (outcome->ok()) return spdlog::info("rules read again: {}", outcome->message);
  spdlog::error("rules not read again: {}", Error{outcome->code, outcome->message}.Line());
}

void WaitForEnd(const sigset_t& signals, EngineLoop& loop) {
  while (true) {
    int number = 0;
    if (sigwait(&signals, &number) == EINTR) continue;
    if (number != SIGHUP) return spdlog::info("ending on signal {}", number);
    ReloadRules(loop);
  }
}

EngineOptions OptionsOf(const DaemonOptions& options) {
  EngineOptions engine{.id = options.engine_id, .version = SLUICE_VERSION};
  engine.tell_rule_news = [](const RuleNews& news) {
    spdlog::log(news.is_problem ? spdlog::level::warn : spdlog::level::info, "{}", news.text);
  };
  if (options.rules_path.empty()) return engine;
  engine.read_rules = [path = options.rules_path]() -> Result<std::string> {
    SLUICE_ASSIGN(const Bytes file, ReadFile(path, limits::kRuleFileBytesMax));
    return std::string(AsText(file));
  };
  return engine;
}

Result<std::vector<Bytes>> ReadRoots(const std::vector<std::string>& paths) {
  std::vector<Bytes> roots;
  for (const std::string& path : paths) {
    auto root = ReadFile(path, limits::kRootBytesMax);
    if (!root) return Fail(root.error().With("--root"));
    roots.push_back(std::move(*root));
  }
  return roots;
}

/// Before anything is made on disk: a typo must not start a second history.
Status CheckFleet(const std::vector<Bytes>& roots, const std::string& fleet_id) {
  const auto trust = Trust::FromInstalledRoot(roots.front());
  if (!trust) return Fail(trust.error().With("--root"));
  if (trust->root().fleet_id == fleet_id) return {};
  return Fail(ErrorCode::kWrongFleet,
              "the root is for fleet " + trust->root().fleet_id + ", --fleet says " + fleet_id);
}

Result<std::string> ReadPassword(const std::string& path) {
  if (path.empty()) return std::string();
  auto bytes = ReadFile(path, kPasswordBytesMax);
  if (!bytes) return Fail(bytes.error().With("--broker-password-file"));
  const std::string text(AsText(*bytes));
  return text.substr(0, text.find('\n'));
}

Status MakeFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Fail(ErrorCode::kIo, "--data " + path + ": " + error.message());
  return {};
}

Result<PahoOptions> BrokerOptions(const DaemonOptions& options) {
  SLUICE_ASSIGN(std::string password, ReadPassword(options.broker_password_path));
  PahoOptions broker;
  broker.broker_url = options.broker_url;
  broker.client_id = "sluice-engine-" + options.engine_id;
  broker.username = options.broker_username;
  broker.password = std::move(password);
  broker.tls = {options.tls_ca_path, options.tls_certificate_path, options.tls_key_path};
  return broker;
}

Status Serve(const DaemonOptions& options, const sigset_t& signals) {
  SLUICE_ASSIGN(const std::vector<Bytes> roots, ReadRoots(options.root_paths));
  SLUICE_TRY(CheckFleet(roots, options.fleet_id));
  auto key = LoadSigningKey(options.director_key_path);
  if (!key) return Fail(key.error().With("--director-key"));
  SLUICE_ASSIGN(PahoOptions broker, BrokerOptions(options));

  SLUICE_TRY(MakeFolder(options.data_folder));
  SLUICE_ASSIGN(const auto store,
                RocksdbStore::Open(options.data_folder + "/store", RocksdbStore::Mode::kCreate));
  if (!store->warning().empty()) spdlog::warn("{}", store->warning());
  SLUICE_ASSIGN(const ObjectStore objects, ObjectStore::Open(options.data_folder));

  const SystemClock clock;
  EngineLoop loop([](const Error& error) { spdlog::critical("{}", error.Line()); });
  ThreadedPayloadBuilder payloads(objects, [&loop] { loop.Wake(); });
  PahoTransport transport(std::move(broker), std::make_unique<SystemRandom>());
  SLUICE_ASSIGN(
      const std::unique_ptr<Engine> engine,
      Engine::Open(OptionsOf(options), {clock, *store, objects, transport, payloads}, *key, roots));
  LoggedEvents events(loop);
  HttpServer http(loop, objects);
  loop.Start(*engine);
  Status served = [&]() -> Status {
    SLUICE_TRY(http.Start(options.socket_path));
    // On the engine's thread, so that no reload falls between its filters and the start with them.
    SLUICE_ASSIGN(const Status started, loop.Run([&](Engine& own) {
      return transport.Start(own.MakeWill(), own.Subscriptions(), events);
    }));
    SLUICE_TRY(started);
    spdlog::info("fleet {}, epoch {}, API on {}", options.fleet_id, engine->director().epoch(),
                 options.socket_path);
    WaitForEnd(signals, loop);
    return {};
  }();
  http.Stop();
  transport.Stop();
  loop.Stop();
  return served;
}

int Main(int argc, char** argv) {
  const ParsedOptions parsed = ParseDaemonOptions(argc, argv);
  if (!parsed.options) return parsed.exit_code;
  const sigset_t signals = BlockSignals();
  spdlog::set_default_logger(spdlog::stderr_color_mt("sluiced"));
  spdlog::set_level(spdlog::level::from_str(parsed.options->log_level));
  const Status status = Serve(*parsed.options, signals);
  if (status) return 0;
  spdlog::error("{}", status.error().Line());
  if (status.error().code == ErrorCode::kLocked) return kExitLocked;
  return status.error().code == ErrorCode::kUsage ? kExitUsage : kExitFailed;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
