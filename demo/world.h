// Everything that the demo starts: a private Mosquitto, the engine, a fleet in one process, agents
// beside applications.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "demo/child_process.h"

namespace sluice::demo {

struct WorldOptions {
  std::filesystem::path bin;      // where the built programs are
  std::filesystem::path data;     // the digit images
  std::filesystem::path dir;      // an empty folder for all that the demo writes
  int fleet_devices = 80;         // in one process, each with its own session and slots
  int agent_devices = 8;          // sluice-agent processes, each beside an application process
  bool with_plugin = true;        // in the broker, and its guard on
  std::filesystem::path rules{};  // the engine's rule file, "" = none
  std::function<bool()> interrupted{};  // asked where the demo waits; may be empty
};

class World {
 public:
  explicit World(WorldOptions options) : options_(std::move(options)) {}

  /// Makes keys and the Root, trains the models, starts broker, engine and devices, in this order.
  Status MakeKeys();
  Status TrainModels();
  Status StartBroker();
  Status StartEngine();
  Status StartDevices();
  /// E_INTERNAL with the name of a program that has ended although it should run; E_STATE when
  /// somebody interrupted the demo.
  Status CheckAlive();
  /// kill -9 of one program: "sluiced", "digits-fleet", "agent-1".
  Status Kill(const std::string& name);
  /// One that the program catches: SIGHUP.
  Status Signal(const std::string& name, int signal);
  /// The same command line again, without a wait for what it does.
  Status Restart(const std::string& name);

  /// Runs `sluice ARGS` against this engine; its stdout, or its error line.
  Result<std::string> Sluice(const std::vector<std::string>& args) const;
  /// The same with `-o json`, parsed.
  Result<nlohmann::json> Ask(std::vector<std::string> args) const;
  /// What the broker's plugin has served so far, by its own count.
  [[nodiscard]] Result<std::int64_t> BytesServedByPlugin() const;
  /// One message of somebody else on the broker, by mosquitto_pub.
  Status Say(const std::string& topic, const std::string& payload) const;
  /// All devices, over as many pages as it takes.
  Result<std::vector<nlohmann::json>> Devices() const;
  /// What a device says of itself, by `sluice-agent status --json`; of one of the fleet only while
  /// digits-fleet is down, since a running one holds its store.
  Result<nlohmann::json> DeviceStatus(const std::string& device) const;
  /// The SHA-256 that each sluice-agent says it has loaded.
  Result<std::vector<std::string>> AgentDigests() const;

  [[nodiscard]] std::filesystem::path ModelPath(const std::string& release) const;
  [[nodiscard]] std::filesystem::path dir() const { return options_.dir; }
  [[nodiscard]] std::string BrokerUrl() const;
  [[nodiscard]] int device_count() const { return options_.fleet_devices + options_.agent_devices; }
  [[nodiscard]] int agent_count() const { return options_.agent_devices; }

 private:
  struct Child {
    std::string name;
    std::vector<std::string> argv;
    ChildProcess process;
  };
  Status Run(const std::vector<std::string>& argv, std::chrono::seconds timeout) const;
  Status StartChild(const std::string& name, std::vector<std::string> argv);
  Status TryToStartBroker();
  Status StartAgent(int index);
  [[nodiscard]] std::string Program(const std::string& name) const {
    return (options_.bin / name).string();
  }
  [[nodiscard]] std::string Path(const std::string& name) const {
    return (options_.dir / name).string();
  }
  Result<Child*> FindChild(const std::string& name);

  WorldOptions options_;
  int broker_port_ = 0;
  std::vector<Child> children_;  // stopped in reverse order
};

/// The identity of a sluice-agent process: "agent-1", ...
std::string AgentName(int index);
/// The identity of a device of digits-fleet: "cam-001", ...
std::string CameraName(int index);
/// Half of each kind of device has this hardware, half the other.
std::string HardwareOf(int index);

}  // namespace sluice::demo
