// sluice-demo: the whole job of Sluice on one machine, in about two minutes, checked at the end.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "demo/story.h"

namespace sluice::demo {
namespace {

namespace fs = std::filesystem;
using Seconds = std::chrono::duration<double>;

constexpr int kFleetDevices = 80;
constexpr int kAgentDevices = 8;
constexpr int kDevices = kFleetDevices + kAgentDevices;

constexpr int kInterruptedExit = 130;  // what a shell says of a program that Ctrl-C ended

volatile std::sig_atomic_t interrupted = 0;
void Interrupt(int) { interrupted = 1; }

struct Options {
  fs::path bin, rollouts, data, keep, json_file;
};

// On a terminal one line that changes, elsewhere one line per change.
class Screen {
 public:
  void Say(const std::string& line) {
    EndLine();
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  }
  void Show(const std::string& line) {
    if (!live_) return Say(fmt::format("  {:5.1f} s  {}", Elapsed(), line));
    std::printf("\r\033[K  %5.1f s  %s", Elapsed(), line.c_str());
    open_ = true;
    std::fflush(stdout);
  }
  [[nodiscard]] double Elapsed() const {
    return Seconds(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  void EndLine() {
    if (open_) std::printf("\n");
    open_ = false;
  }
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const bool live_ = isatty(STDOUT_FILENO) != 0;
  bool open_ = false;
};

Status StartAll(World& world, Screen& screen) {
  screen.Say("Keys, a Root, and a Mosquitto of our own on loopback");
  SLUICE_TRY(world.MakeKeys());
  SLUICE_TRY(world.StartBroker());
  screen.Say("Four releases of a digit classifier, trained now on real images");
  SLUICE_TRY(world.TrainModels());
  SLUICE_TRY(world.CheckAlive());
  screen.Say(fmt::format(
      "sluiced, {} devices in one process, {} sluice-agent processes beside applications",
      kFleetDevices, kAgentDevices));
  SLUICE_TRY(world.StartEngine());
  return world.StartDevices();
}

Result<std::vector<Facts>> TellAll(World& world, const Options& options, Screen& screen) {
  SLUICE_TRY(StartAll(world, screen));
  std::vector<Facts> all;
  for (const Chapter& chapter : Chapters()) {
    screen.Say(fmt::format("\n{}: {}", chapter.release, chapter.headline));
    SLUICE_ASSIGN(Facts facts, Tell(world, chapter, options.rollouts,
                                    [&screen](const std::string& line) { screen.Show(line); }));
    screen.Say(fmt::format("  {}: {}", facts.status, facts.why));
    for (const std::string& problem : facts.problems) screen.Say("  WRONG: " + problem);
    all.push_back(std::move(facts));
  }
  return all;
}

// After the whole story everybody runs v2: v3 was never activated, v4 was rolled back.
std::vector<std::string> DevicesOffTheLastGoodRelease(const World& world) {
  const Result<nlohmann::json> release = world.Ask({"release", "show", "digits-v2"});
  if (!release) return {release.error().Line()};
  const auto artifact = release->at("artifacts").at(0).at("sha256").get<std::string>();
  return DevicesOff(world, "digits-v2", artifact)
      .value_or(std::vector<std::string>{"the engine does not answer"});
}

// Whether the chunks came from inside the broker, and not from the engine behind it.
bool ReportServing(std::int64_t from_plugin, nlohmann::json& json) {
  std::int64_t sent = 0;
  for (const nlohmann::json& rollout : json["rollouts"])
    sent += rollout.at("bytes_sent").get<std::int64_t>();
  json["bytes_sent"] = sent;
  json["bytes_served_by_plugin"] = from_plugin;
  std::printf("The broker's plugin served %.0f kB; the devices counted %.0f kB\n",
              static_cast<double>(from_plugin) / 1000, static_cast<double>(sent) / 1000);
  if (10 * from_plugin >= 9 * sent) return true;
  std::printf("WRONG: the engine served what its broker should have\n");
  return false;
}

struct Ending {
  std::vector<std::string> off;  // devices that do not run what they should
  Result<std::int64_t> bytes_served_by_plugin = 0;
};

int Report(const Options& options, const Result<std::vector<Facts>>& told, const Ending& ending,
           double seconds) {
  const std::vector<std::string>& off = ending.off;
  bool good = told.has_value() && off.empty();
  nlohmann::json json = {{"api_version", "v1"},        {"seconds", seconds},
                         {"devices", kDevices},        {"agent_processes", kAgentDevices},
                         {"devices_off_desired", off}, {"rollouts", nlohmann::json::array()}};
  if (told) {
    for (const Facts& facts : *told) {
      good = good && facts.problems.empty();
      json["rollouts"].push_back(ToJson(facts));
    }
    std::printf("\n%s\n", FactsTable(*told).c_str());
    if (ending.bytes_served_by_plugin) {
      good = ReportServing(*ending.bytes_served_by_plugin, json) && good;
    } else {
      std::printf("WRONG: %s\n", ending.bytes_served_by_plugin.error().Line().c_str());
      good = false;
    }
  } else {
    std::printf("\n%s\n", told.error().Line().c_str());
    json["error"] = told.error().Line();
  }
  for (const std::string& device : off)
    std::printf("WRONG: %s does not run what it should\n", device.c_str());
  json["ok"] = good;
  if (!options.json_file.empty() && !(std::ofstream(options.json_file) << json.dump(2) << '\n')) {
    std::printf("E_IO: cannot write %s\n", options.json_file.c_str());
    good = false;
  }
  std::printf("%s in %.0f s\n",
              good ? "Every rollout ended as it should, every device runs what it should,"
                   : "The demo failed,",
              seconds);
  return good ? 0 : 1;
}

int Run(const Options& options) {
  std::error_code error;
  fs::path dir = options.keep;
  if (dir.empty()) {
    std::string pattern = (fs::temp_directory_path() / "sluice-demo-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
      std::fprintf(stderr, "E_IO: no folder for the demo: %s\n", pattern.c_str());
      return 1;
    }
    dir = pattern;
  } else if (!fs::create_directories(dir, error) && !fs::is_empty(dir, error)) {
    std::fprintf(stderr, "E_CONFLICT: %s is not empty; give --keep a new folder\n", dir.c_str());
    return 1;
  }
  Screen screen;
  int exit_code = 1;
  {
    World world({.bin = options.bin,
                 .data = options.data,
                 .dir = dir,
                 .fleet_devices = kFleetDevices,
                 .agent_devices = kAgentDevices,
                 .rules = options.rollouts / "rules.yaml",
                 .interrupted = [] { return interrupted != 0; }});
    Result<std::vector<Facts>> told = TellAll(world, options, screen);
    // Whatever failed was the signal's doing: it also ends what the demo was waiting for.
    if (interrupted != 0)
      told = Fail(ErrorCode::kState, "interrupted; what was started is stopped");
    Ending ending;
    if (told) ending = {DevicesOffTheLastGoodRelease(world), world.BytesServedByPlugin()};
    exit_code = Report(options, told, ending, screen.Elapsed());
  }
  if (interrupted != 0) exit_code = kInterruptedExit;
  const bool keep_logs = exit_code != 0 && exit_code != kInterruptedExit;
  if (keep_logs) std::printf("logs: %s\n", (dir / "log").c_str());
  if (!keep_logs && options.keep.empty()) fs::remove_all(dir, error);
  return exit_code;
}

}  // namespace
}  // namespace sluice::demo

int main(int argc, char** argv) {
  sluice::demo::Options options;
  CLI::App app{
      "Rolls four releases of a real model over 88 devices on this machine and checks how each "
      "ends"};
  app.add_option("--bin", options.bin, "folder of the built programs")->required();
  app.add_option("--rollouts", options.rollouts, "folder of the rollout files")->required();
  app.add_option("--images", options.data, "the digit images")->required();
  app.add_option("--json", options.json_file, "also write the facts to this file");
  app.add_option("--keep", options.keep, "work in this new folder and leave it");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGINT, sluice::demo::Interrupt);
  std::signal(SIGTERM, sluice::demo::Interrupt);
  return sluice::demo::Run(options);
}
