// kill -9 of every program that holds state, in the middle of a rollout: nothing is lost, nothing
// is decided twice, no number falls, and everything ends as it must.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "common/contract/topics.h"
#include "common/crypto/trust.h"
#include "common/mqtt/paho_transport.h"
#include "demo/story.h"
#include "tests/support/recording_events.h"
#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

using demo::World;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int kFleetDevices = 24;
constexpr int kAgentDevices = 2;
constexpr int kDevices = kFleetDevices + kAgentDevices;
constexpr const char* kShortSoakHours = "0.0015";  // 5.4 s
constexpr const char* kLongSoakHours = "1";        // an operator ends it
constexpr auto kPollEvery = std::chrono::milliseconds(20);
constexpr auto kRolloutTimeout = std::chrono::seconds(90);  // ends a test that has failed already

/// Which program dies once so many devices have taken the release up.
struct Victim {
  int moved = 0;
  std::string program;
};

std::vector<std::string> DeviceNames() {
  std::vector<std::string> names;
  for (int i = 0; i < kFleetDevices; ++i) names.push_back(demo::CameraName(i));
  for (int i = 0; i < kAgentDevices; ++i) names.push_back(demo::AgentName(i));
  return names;
}

SequenceNumber DirectiveOf(const json& device_status) {
  return {device_status.at("directive_epoch"), device_status.at("directive_seq")};
}

/// Counts do not fall when a device goes on, so a mark that was passed stays passed.
int MovedDevices(const json& rollout) {
  int moved = 0;
  for (const char* count : {"downloading", "verified", "trial", "confirmed", "reverted"})
    moved += rollout.value(count, 0);
  return moved;
}

/// Everybody at once, and limits that so small a fleet can be shown to keep in seconds, although
/// most of it falls silent when its program is killed.
std::string RolloutFile(const std::string& release, const std::string& soak_hours) {
  return "rollout:\n"
         "  model_version: " +
         release +
         "\n"
         "  rate: {initial_devices: 40, max_per_minute: 10000}\n"
         "  activation: {min_inferences: 20, telemetry_interval_sec: 5}\n"
         "  stages:\n"
         "    - name: general\n"
         "      target_percent: 100\n"
         "      duration_hours: " +
         soak_hours +
         "\n"
         "      max_duration_hours: 1\n"
         "      success_criteria: {error_rate_max: 0.5, lost_device_rate_max: 0.9,"
         " crash_device_rate_max: 0.9, memory_increase_max_percent: 10000}\n"
         "  rollback: {health_check_interval_sec: 5, silent_after_intervals: 3,"
         " confirm_deadline_sec: 60}\n";
}

/// Lines "key<TAB>value" of `sluice store dump`.
std::map<std::string, std::string> Entries(const std::string& dump) {
  std::map<std::string, std::string> entries;
  std::istringstream lines(dump);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    entries[line.substr(0, tab)] = tab == std::string::npos ? "" : line.substr(tab + 1);
  }
  return entries;
}

class KillTest : public ::testing::Test {
 protected:
  KillTest()
      : world_({.bin = SLUICE_BIN_DIR,
                .data = SLUICE_SOURCE_DIR "/data/optdigits.csv.gz",
                .dir = directory_.path(),
                .fleet_devices = kFleetDevices,
                .agent_devices = kAgentDevices,
                .with_plugin = false}) {}

  void SetUp() override {
    Require(world_.MakeKeys());
    std::filesystem::create_directory_symlink(SLUICE_DIGIT_MODELS, world_.dir() / "models");
    Require(world_.StartBroker());
    Require(Listen());
    Require(world_.StartEngine());
    Require(world_.StartDevices());
  }

  void TearDown() override {
    if (listener_) listener_->Stop();
    if (!HasFailure()) return;
    for (const auto& log : std::filesystem::directory_iterator(world_.dir() / "log")) {
      if (log.file_size() == 0) continue;  // an empty rdbuf would end cerr
      std::ifstream file(log.path());
      std::cerr << "---- " << log.path().filename() << "\n" << file.rdbuf() << "\n";
    }
  }

  static void Require(const Status& status) {
    if (!status) throw std::runtime_error(status.error().Line());
  }
  template <class T>
  static T Require(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().Line());
    return *std::move(result);
  }

  // ---- what the engine says on the wire ----

  Status Listen() {
    PahoOptions options;
    options.broker_url = world_.BrokerUrl();
    options.client_id = "witness";
    listener_ = std::make_unique<PahoTransport>(options, std::make_unique<SeededRandom>(1));
    SLUICE_TRY(listener_->Start({}, {{"sluice-dev/v1/down/+/directive"}, {"sluice-dev/v1/all/+"}},
                                heard_));
    if (heard_.WaitForConnections(1)) return {};
    return Fail(ErrorCode::kTimeout, "the witness is not connected");
  }

  Trust FleetTrust() {
    std::ifstream file(world_.dir() / "root.env", std::ios::binary);
    const Bytes root((std::istreambuf_iterator<char>(file)), {});
    return Require(Trust::FromInstalledRoot(root));
  }

  /// In each stream of documents numbers only rise, and one number is one document.
  void ExpectThatNumbersNeverFell() {
    const Trust trust = FleetTrust();
    std::map<std::string, std::pair<SequenceNumber, Bytes>> newest;  // by stream
    for (const MqttMessage& message : heard_.Snapshot().messages) {
      std::string stream = message.topic;
      SequenceNumber number;
      if (const auto directive = trust.Open<Directive>(message.payload)) {
        number = directive->number;
        newest_directive_[directive->device_id] = number;
      } else if (const auto order = trust.Open<Order>(message.payload)) {
        number = order->number;  // to all, and in the answer to a hello: each in its own order
        stream += " Order";
      } else if (const auto freshness = trust.Open<Freshness>(message.payload)) {
        number = freshness->number;
      } else {
        continue;  // Roots, and Answers, which are not numbered
      }
      auto& [highest, bytes] = newest[stream];
      EXPECT_FALSE(number < highest) << stream << " fell to " << number.epoch << "." << number.seq;
      if (number == highest) {
        EXPECT_EQ(message.payload, bytes) << stream << ": one number, two documents";
      }
      highest = number;
      bytes = message.payload;
    }
    EXPECT_GT(newest.size(), kDevices) << "a stream of each device, and the Freshness";
    for (const auto& [device, held] : numbers_)
      EXPECT_FALSE(newest_directive_[device] < held.directive)
          << device << " holds what nobody said";
  }

  // ---- the rollout ----

  std::string Create(const std::string& release, const std::string& soak_hours) {
    Require(demo::Publish(world_, release));
    const std::string file = directory_.Write(release + ".yaml", RolloutFile(release, soak_hours));
    return Require(world_.Ask({"rollout", "create", "-f", file})).at("rid");
  }

  /// The answer must be the same however often it is asked under one id, deaths in between or not.
  void Operate(const std::string& op, const std::string& rollout) {
    Require(world_.Sluice({"rollout", op, rollout, "--id", op + "-" + rollout}));
    operations_.emplace_back(op, rollout);
  }

  /// Watches until the rollout has that status and as many devices in that state; kills whom
  /// `victims` names as the counts pass their marks.
  void Await(const std::string& rollout, const std::string& status, const std::string& count,
             const std::vector<Victim>& victims) {
    std::size_t killed = 0;
    json seen;
    for (const auto deadline = Clock::now() + kRolloutTimeout; Clock::now() < deadline;) {
      const Result<json> now = world_.Ask({"rollout", "get", rollout});
      if (now) {  // else the engine is still starting
        seen = *now;
        if (killed < victims.size() && MovedDevices(seen) >= victims[killed].moved) {
          KillAndRestart(victims[killed++].program, rollout);
          continue;
        }
        const bool done = seen.value("status", "") == status && seen.value(count, 0) == kDevices;
        if (done && killed == victims.size()) return;
      }
      std::this_thread::sleep_for(kPollEvery);
    }
    // Thrown, so that the test ends here and shows the logs of this moment.
    throw std::runtime_error("not " + status + " with " + std::to_string(kDevices) + " " + count +
                             " and " + std::to_string(victims.size()) + " kills, but after " +
                             std::to_string(killed) + " kills " + seen.dump());
  }

  // ---- deaths ----

  void KillAndRestart(const std::string& program, const std::string& rollout) {
    if (program == "sluiced") return KillEngine(rollout);
    const bool is_fleet = program == "digits-fleet";
    // What the agent has said before its death, what the cameras' disks hold after theirs.
    if (!is_fleet) NoteNumbers({program});
    Require(world_.Kill(program));
    std::vector<std::string> names = {program};
    if (is_fleet) {
      names = DeviceNames();
      names.resize(kFleetDevices);
    }
    NoteNumbers(names);
    Require(world_.Restart(program));
  }

  void KillEngine(const std::string& rollout) {
    const json told = Require(world_.Ask({"rollout", "events", rollout})).at("items");
    Require(world_.Kill("sluiced"));
    const auto held = Require(Store());
    ExpectKept(held);
    store_ = held;
    Require(world_.Restart("sluiced"));
    ExpectToldAgain(told, rollout);
  }

  /// What the engine told of a rollout before its death is how its story begins after it.
  void ExpectToldAgain(const json& told, const std::string& rollout) {
    for (const auto deadline = Clock::now() + kRolloutTimeout; Clock::now() < deadline;) {
      const Result<json> events = world_.Ask({"rollout", "events", rollout});
      if (!events) {
        std::this_thread::sleep_for(kPollEvery);
        continue;
      }
      const json& items = events->at("items");
      ASSERT_GE(items.size(), told.size());
      for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(items[i], told[i]);
      return;
    }
    FAIL() << "sluiced did not come back";
  }

  Result<std::map<std::string, std::string>> Store() {
    SLUICE_ASSIGN(const std::string dump,
                  world_.Sluice({"store", "dump", (world_.dir() / "engine").string()}));
    return Entries(dump);
  }

  /// Whatever drove a rollout, was decided and was told when the engine died last is still there,
  /// unchanged.
  void ExpectKept(const std::map<std::string, std::string>& now) {
    for (const auto& [key, value] : store_) {
      const bool is_history = key.starts_with("event/") || key.starts_with("decision/") ||
                              key.starts_with("note/") || key.starts_with("operation/");
      if (!is_history) continue;
      const auto found = now.find(key);
      ASSERT_NE(found, now.end()) << key << " is lost";
      EXPECT_EQ(found->second, value) << key;
    }
  }

  void NoteNumbers(const std::vector<std::string>& devices) {
    for (const std::string& device : devices) {
      const Result<json> status = world_.DeviceStatus(device);
      ASSERT_TRUE(status.has_value()) << status.error().Line();
      Numbers now{DirectiveOf(*status), status->at("engine_epoch"), status->at("gen")};
      Numbers& before = numbers_[device];
      EXPECT_FALSE(now.directive < before.directive) << device;
      EXPECT_GE(now.engine_epoch, before.engine_epoch) << device;
      EXPECT_GE(now.gen, before.gen) << device;
      before = now;
    }
  }

  // ---- the end ----

  void ExpectEveryDeviceRuns(const std::string& release) {
    const json shown = Require(world_.Ask({"release", "show", release}));
    const std::string artifact = shown.at("artifacts").at(0).at("sha256");
    const auto off = Require(demo::DevicesOff(world_, release, artifact));
    EXPECT_EQ(off, std::vector<std::string>{});
    // The disks' word, which nobody can embellish any more.
    Require(world_.Kill("digits-fleet"));
    NoteNumbers(DeviceNames());
    for (int i = 0; i < kFleetDevices; ++i) {
      const json status = Require(world_.DeviceStatus(demo::CameraName(i)));
      EXPECT_EQ(status.at("slots").at(status.at("active").get<std::size_t>()).at("sha256"),
                artifact)
          << demo::CameraName(i);
    }
  }

  /// Each operation was carried out once, and each thing was told once.
  void ExpectNothingTwice() {
    for (const auto& [op, rollout] : operations_) {
      const Result<std::string> again =
          world_.Sluice({"rollout", op, rollout, "--id", op + "-" + rollout});
      EXPECT_TRUE(again.has_value()) << again.error().Line();
    }
    const auto now = Require(Store());
    ExpectKept(now);
    std::map<std::string, int> starts, told;
    for (const auto& [key, value] : now) {
      if (key.starts_with("event/") && value.find("\"Started\"") != std::string::npos)
        ++starts[key.substr(0, key.rfind('/'))];
      if (!key.starts_with("note/")) continue;
      const json note = json::parse(value);
      ++told[key.substr(0, key.rfind('/')) + " " + note.value("type", "") + " " +
             note.value("op_id", "") + " " + note.value("why", "")];
    }
    for (const auto& [rollout, count] : starts) EXPECT_EQ(count, 1) << rollout;
    for (const auto& [note, count] : told) EXPECT_EQ(count, 1) << note;
  }

  struct Numbers {
    SequenceNumber directive;
    std::uint64_t engine_epoch = 0;
    std::uint64_t gen = 0;
  };

  test_support::TemporaryDirectory directory_;
  test_support::RecordingEvents heard_;
  World world_;
  std::unique_ptr<PahoTransport> listener_;
  std::map<std::string, Numbers> numbers_;                       // of devices, when last looked at
  std::map<std::string, SequenceNumber> newest_directive_;       // by device, on the wire
  std::map<std::string, std::string> store_;                     // when the engine died last
  std::vector<std::pair<std::string, std::string>> operations_;  // op, rollout
};

TEST_F(KillTest, AFirstReleaseSurvivesTheDeathOfEngineFleetAndAgent) {
  const std::string rollout = Create("digits-v1", kShortSoakHours);
  Operate("start", rollout);
  Await(rollout, "completed", "confirmed",
        {{0, "sluiced"},
         {1, "sluiced"},
         {4, "digits-fleet"},
         {10, "sluiced"},
         {14, "agent-1"},
         {20, "sluiced"}});
  ExpectEveryDeviceRuns("digits-v1");
  ExpectNothingTwice();
  ExpectThatNumbersNeverFell();
}

TEST_F(KillTest, ARollBackSurvivesTheDeathOfEngineFleetAndAgent) {
  const std::string first = Create("digits-v1", kLongSoakHours);
  Operate("start", first);
  Await(first, "running", "confirmed", {});
  Operate("promote", first);
  const std::string second = Create("digits-v2", kLongSoakHours);
  Operate("start", second);
  Await(second, "running", "confirmed", {{2, "agent-2"}, {8, "digits-fleet"}, {18, "sluiced"}});
  Operate("rollback", second);
  Await(second, "rolled_back", "reverted",
        {{0, "sluiced"}, {0, "digits-fleet"}, {0, "sluiced"}, {0, "agent-1"}});
  ExpectEveryDeviceRuns("digits-v1");
  ExpectNothingTwice();
  ExpectThatNumbersNeverFell();
}

}  // namespace
}  // namespace sluice
