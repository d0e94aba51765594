#include "demo/world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

namespace sluice::demo {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kToolTimeout = std::chrono::seconds(20);
constexpr auto kTrainTimeout = std::chrono::seconds(120);
constexpr auto kStartTimeout = std::chrono::seconds(20);
constexpr auto kPollEvery = std::chrono::milliseconds(20);
constexpr int kInferencesPerSecond = 20;
constexpr int kBrokerAttempts = 3;
constexpr const char* kEngineUser = "sluice-engine";

Result<int> FreeLoopbackPort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const bool ok = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  if (fd >= 0) close(fd);
  if (!ok) return Fail(ErrorCode::kIo, "no free port on loopback");
  return static_cast<int>(ntohs(address.sin_port));
}

bool AcceptsConnections(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool ok =
      fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  if (fd >= 0) close(fd);
  return ok;
}

template <class Condition>
Status WaitFor(const std::string& what, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline)
      return Fail(ErrorCode::kTimeout, what + " did not start");
    std::this_thread::sleep_for(kPollEvery);
  }
  return {};
}

Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) return Fail(ErrorCode::kIo, "cannot write " + path);
  return {};
}

}  // namespace

std::string AgentName(int index) { return "agent-" + std::to_string(index + 1); }

std::string CameraName(int index) {
  const std::string number = std::to_string(index + 1);
  return "cam-" + std::string(3 - std::min<std::size_t>(3, number.size()), '0') + number;
}

std::string HardwareOf(int index) { return index % 2 == 0 ? "edge-a" : "edge-b"; }

std::string World::BrokerUrl() const { return "tcp://127.0.0.1:" + std::to_string(broker_port_); }

fs::path World::ModelPath(const std::string& release) const {
  return options_.dir / "models" / (release + ".safetensors");
}

Status World::Run(const std::vector<std::string>& argv, std::chrono::seconds timeout) const {
  SLUICE_ASSIGN(const Finished finished, RunProgram(argv, timeout, options_.interrupted));
  if (finished.exit_code == 0) return {};
  return Fail(ErrorCode::kInternal, fs::path(argv[0]).filename().string() + " " + argv[1] +
                                        " ended with " + std::to_string(finished.exit_code) + ": " +
                                        finished.err + finished.out);
}

Status World::StartChild(const std::string& name, std::vector<std::string> argv) {
  SLUICE_ASSIGN(ChildProcess process, ChildProcess::Start(argv, Path("log/" + name + ".log")));
  children_.push_back({name, std::move(argv), std::move(process)});
  return {};
}

Status World::MakeKeys() {
  fs::create_directories(options_.dir / "log");
  for (const char* role : {"root", "release", "director"}) {
    SLUICE_TRY(Run({Program("sluice"), "key", "generate", "-o", Path(std::string(role) + ".key")},
                   kToolTimeout));
  }
  return Run({Program("sluice"), "root", "create", "--fleet", "demo", "--root-key",
              Path("root.key.pub"), "--release-key", Path("release.key.pub"), "--director-key",
              Path("director.key.pub"), "--sign-with", Path("root.key"), "-o", Path("root.env")},
             kToolTimeout);
}

Status World::TrainModels() {
  return Run({Program("digits-train"), "--images", options_.data.string(), "--out", Path("models")},
             kTrainTimeout);
}

Status World::StartBroker() {
  // Between asking for a free port and listening on it, somebody else may take it.
  const std::size_t others = children_.size();
  for (int attempt = 1;; ++attempt) {
    Status started = TryToStartBroker();
    if (started || attempt == kBrokerAttempts) return started;
    while (children_.size() > others) children_.pop_back();
  }
}

Status World::TryToStartBroker() {
  SLUICE_ASSIGN(broker_port_, FreeLoopbackPort());
  // What an operator's broker says before anybody has heard of Sluice; the rest is `broker init`.
  const std::string etc = Path("etc");
  fs::remove_all(etc);
  fs::create_directories(etc + "/mosquitto/conf.d");
  std::string config = "listener " + std::to_string(broker_port_) +
                       " 127.0.0.1\nallow_anonymous true\npersistence false\ninclude_dir " + etc +
                       "/mosquitto/conf.d\n";
  // Root's broker becomes another user, who may enter neither this folder nor the programs'.
  if (geteuid() == 0) config += "user root\n";
  if (!options_.with_plugin) config += "set_tcp_nodelay true\nmax_queued_messages 1000\n";
  SLUICE_TRY(WriteText(etc + "/mosquitto/mosquitto.conf", config));
  if (options_.with_plugin) {
    SLUICE_TRY(
        Run({Program("sluice"), "broker", "init", "--prefix", etc, "--server", "demo",
             "--no-listener", "--engine-user", kEngineUser, "--objects", Path("engine/objects")},
            kToolTimeout));
  }
  const fs::path installed = "/usr/sbin/mosquitto";
  SLUICE_TRY(StartChild("mosquitto", {fs::exists(installed) ? installed.string() : "mosquitto",
                                      "-c", etc + "/mosquitto/mosquitto.conf"}));
  ChildProcess& broker = children_.back().process;
  SLUICE_TRY(WaitFor(
      "mosquitto", [&] { return broker.Poll().has_value() || AcceptsConnections(broker_port_); }));
  if (!broker.Poll()) return {};
  return Fail(ErrorCode::kInternal, "mosquitto ended; see " + Path("log/mosquitto.log"));
}

Status World::StartEngine() {
  std::vector<std::string> argv = {Program("sluiced"),
                                   "--data",
                                   Path("engine"),
                                   "--broker",
                                   BrokerUrl(),
                                   "--broker-user",
                                   kEngineUser,
                                   "--fleet",
                                   "demo",
                                   "--root",
                                   Path("root.env"),
                                   "--director-key",
                                   Path("director.key"),
                                   "--socket",
                                   Path("sluiced.sock")};
  if (!options_.rules.empty()) argv.insert(argv.end(), {"--rules", options_.rules.string()});
  SLUICE_TRY(StartChild("sluiced", std::move(argv)));
  return WaitFor("sluiced", [this] {
    const Result<json> engine = Ask({"engine", "status"});
    return engine && engine->value("broker_connected", false);
  });
}

Status World::StartDevices() {
  SLUICE_TRY(StartChild("digits-fleet",
                        {Program("digits-fleet"), "--count", std::to_string(options_.fleet_devices),
                         "--state-root", Path("fleet"), "--broker", BrokerUrl(), "--fleet", "demo",
                         "--root", Path("root.env"), "--hardware", "edge-a,edge-b", "--images",
                         options_.data.string(), "--rate", std::to_string(kInferencesPerSecond)}));
  for (int i = 0; i < options_.agent_devices; ++i) SLUICE_TRY(StartAgent(i));
  return WaitFor("all devices", [this] {
    const Result<json> engine = Ask({"engine", "status"});
    return engine && engine->value("online", 0) == device_count();
  });
}

Status World::StartAgent(int index) {
  const std::string name = AgentName(index);
  const std::string state_dir = Path(name);
  const std::string socket = Path(name + ".sock");
  SLUICE_TRY(StartChild(
      name + "-app", {Program("digits-app"), "--socket", socket, "--images", options_.data.string(),
                      "--rate", std::to_string(kInferencesPerSecond), "--device", name}));
  const std::string hook = Program("digits-hook");
  SLUICE_TRY(WriteText(Path(name + ".conf"),
                       "broker = " + BrokerUrl() + "\nfleet = demo\ndevice = " + name +
                           "\nusername = " + name + "\nmodel = digits\nhardware = " +
                           HardwareOf(index) + "\nruntime_abi = digits-1\nhook_validate = " + hook +
                           " validate\nhook_activate = " + hook + " activate --socket " + socket +
                           "\nhook_health = " + hook + " health --socket " + socket + "\n"));
  SLUICE_TRY(Run({Program("sluice-agent"), "init", "--config", Path(name + ".conf"), "--state-dir",
                  state_dir, "--root", Path("root.env")},
                 kToolTimeout));
  return StartChild(name, {Program("sluice-agent"), "run", "--config", Path(name + ".conf"),
                           "--state-dir", state_dir});
}

Status World::Say(const std::string& topic, const std::string& payload) const {
  return Run({"mosquitto_pub", "-h", "127.0.0.1", "-p", std::to_string(broker_port_), "-q", "1",
              "-t", topic, "-m", payload},
             kToolTimeout);
}

Result<std::int64_t> World::BytesServedByPlugin() const {
  SLUICE_ASSIGN(
      const Finished finished,
      RunProgram({"mosquitto_rr", "-h", "127.0.0.1", "-p", std::to_string(broker_port_), "-u",
                  kEngineUser, "-W", "5", "-t", "$CONTROL/sluice/v1", "-e",
                  "$CONTROL/sluice/v1/response", "-m", R"({"commands":[{"command":"getStatus"}]})"},
                 kToolTimeout));
  const json reply = json::parse(finished.out, nullptr, false);
  const json::json_pointer bytes("/responses/0/data/bytesServed");
  if (finished.exit_code == 0 && reply.contains(bytes)) return reply[bytes].get<std::int64_t>();
  return Fail(ErrorCode::kInternal,
              "the plugin does not tell its status: " + finished.out + finished.err);
}

Status World::CheckAlive() {
  if (options_.interrupted && options_.interrupted())
    return Fail(ErrorCode::kState, "interrupted; what was started is stopped");
  for (Child& child : children_) {
    if (const std::optional<int> code = child.process.Poll()) {
      return Fail(ErrorCode::kInternal, child.name + " ended with " + std::to_string(*code) +
                                            "; see " + Path("log/" + child.name + ".log"));
    }
  }
  return {};
}

Result<World::Child*> World::FindChild(const std::string& name) {
  for (Child& child : children_) {
    if (child.name == name) return &child;
  }
  return Fail(ErrorCode::kNotFound, "no program " + name + " was started");
}

Status World::Signal(const std::string& name, int signal) {
  SLUICE_ASSIGN(Child* const child, FindChild(name));
  if (::kill(child->process.pid(), signal) == 0) return {};
  return Fail(ErrorCode::kIo, "no signal reaches " + name + "; has it ended?");
}

Status World::Kill(const std::string& name) {
  SLUICE_ASSIGN(Child* const child, FindChild(name));
  child->process.Kill();
  return {};
}

Status World::Restart(const std::string& name) {
  SLUICE_ASSIGN(Child* const child, FindChild(name));
  SLUICE_ASSIGN(child->process, ChildProcess::Start(child->argv, Path("log/" + name + ".log")));
  return {};
}

Result<std::string> World::Sluice(const std::vector<std::string>& args) const {
  std::vector<std::string> argv = {Program("sluice"), "--socket", Path("sluiced.sock")};
  argv.insert(argv.end(), args.begin(), args.end());
  SLUICE_ASSIGN(Finished finished, RunProgram(argv, kToolTimeout));
  // 6 and 7 tell of the rollout's state, not of a failed call.
  if (finished.exit_code == 0 || finished.exit_code == 6 || finished.exit_code == 7)
    return std::move(finished.out);
  return Fail(ErrorCode::kInternal, "sluice " + args[0] + " " + args[1] + ": " + finished.err);
}

Result<json> World::Ask(std::vector<std::string> args) const {
  args.insert(args.end(), {"-o", "json"});
  SLUICE_ASSIGN(const std::string text, Sluice(args));
  json parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded())
    return Fail(ErrorCode::kInternal, "sluice " + args[0] + " printed no JSON: " + text);
  return parsed;
}

Result<std::vector<json>> World::Devices() const {
  SLUICE_ASSIGN(const json list, Ask({"device", "list"}));
  return list.at("items").get<std::vector<json>>();
}

Result<json> World::DeviceStatus(const std::string& device) const {
  const bool is_camera = !fs::exists(Path(device));
  SLUICE_ASSIGN(const Finished finished,
                RunProgram({Program("sluice-agent"), "status", "--json", "--state-dir",
                            is_camera ? Path("fleet/" + device) : Path(device)},
                           kToolTimeout));
  json status = json::parse(finished.out, nullptr, false);
  if (finished.exit_code != 0 || status.is_discarded())
    return Fail(ErrorCode::kInternal, device + ": sluice-agent status failed: " + finished.err);
  return status;
}

Result<std::vector<std::string>> World::AgentDigests() const {
  std::vector<std::string> digests;
  for (int i = 0; i < options_.agent_devices; ++i) {
    SLUICE_ASSIGN(const json status, DeviceStatus(AgentName(i)));
    digests.push_back(status.value("loaded_sha256", ""));
  }
  return digests;
}

}  // namespace sluice::demo
