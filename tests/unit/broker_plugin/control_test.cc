#include "broker_plugin/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "broker_plugin/limits.h"
#include "tests/unit/broker_plugin/fake_chunk_service.h"

namespace sluice::plugin {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class FakeActions final : public ControlActions {
 public:
  [[nodiscard]] StatusReport Report() const override {
    return {{{"server", "hall-3"}, {"mode", "open"}}, {{"devices", 7}}};
  }
  [[nodiscard]] ChunkService* Chunks() override { return serves ? &service : nullptr; }
  Status SetQuarantine(std::string_view device, bool on, std::uint32_t seconds) override {
    calls.push_back((on ? "quarantine " : "lift ") + std::string(device) + " " +
                    std::to_string(seconds));
    if (fails) return Fail(ErrorCode::kNotFound, "this device is not quarantined");
    return {};
  }
  void KickDevice(std::string_view device) override {
    calls.push_back("kick " + std::string(device));
  }
  Status ReloadConfig() override {
    calls.emplace_back("reload");
    if (fails) return Fail(ErrorCode::kIo, "cannot read it");
    return {};
  }
  Status BlockObjects(const std::set<Digest>& objects, std::optional<std::uint64_t> seq) override {
    blocked = objects;
    blocked_seq = seq;
    return {};
  }

  FakeChunks chunks;
  FakeChunkService service{chunks};
  bool serves = true, fails = false;
  std::vector<std::string> calls;
  std::set<Digest> blocked;
  std::optional<std::uint64_t> blocked_seq;
};

struct ControlTest : testing::Test {
  json Run(std::string_view message) {
    const json reply = json::parse(RunControl(AsBytes(message), actions));
    EXPECT_TRUE(reply.contains("responses"));
    return reply["responses"];
  }
  json RunOne(const json& command) {
    const json responses = Run(json{{"commands", {command}}}.dump());
    EXPECT_EQ(responses.size(), 1U);
    return responses[0];
  }
  /// The error of the one response; empty when there is none.
  std::string ErrorOf(const json& command) { return RunOne(command).value("error", ""); }

  FakeActions actions;
};

TEST_F(ControlTest, AnswersInDynamicSecuritysShape) {
  EXPECT_EQ(Run(R"({"commands":[{"command":"kickDevice","device":"cam-1","correlationData":"7"}]})")
                .dump(),
            R"([{"command":"kickDevice","correlationData":"7"}])");
  EXPECT_THAT(actions.calls, ElementsAre("kick cam-1"));
}

TEST_F(ControlTest, ReportsStatusFlat) {
  const json response = RunOne({{"command", "getStatus"}});
  EXPECT_EQ(response["data"], (json{{"server", "hall-3"}, {"mode", "open"}, {"devices", 7}}));
}

TEST_F(ControlTest, ListsJobs) {
  Digest object;
  object.bytes.fill(0xab);
  actions.chunks.jobs = {{"cam-1", object, 4'096}};
  const json data = RunOne({{"command", "listJobs"}})["data"];
  EXPECT_EQ(data["pending"], 1);
  EXPECT_EQ(data["jobs"][0],
            (json{{"device", "cam-1"}, {"object", object.Hex()}, {"bytesLeft", 4'096}}));
}

TEST_F(ControlTest, ListsNoMoreJobsThanFitIntoAReply) {
  actions.chunks.jobs.resize(5'000, {std::string(64, 'x'), {}, UINT64_MAX});
  const json data = RunOne({{"command", "listJobs"}})["data"];
  EXPECT_EQ(data["pending"], 5'000);
  EXPECT_EQ(data["jobs"].size(), limits::kListedJobsMax);
}

TEST_F(ControlTest, SetsTheBudgetsThatAreNamed) {
  EXPECT_EQ(ErrorOf({{"command", "setBudget"}, {"turnBytes", 65'536}, {"bytesPerS", 0}}), "");
  ASSERT_EQ(actions.chunks.budgets.size(), 1U);
  EXPECT_EQ(actions.chunks.budgets[0].turn_bytes, 65'536U);
  EXPECT_EQ(actions.chunks.budgets[0].bytes_per_s, 0U);
  EXPECT_EQ(actions.chunks.budgets[0].device_bytes_per_s, std::nullopt);
  EXPECT_THAT(ErrorOf({{"command", "setBudget"}}), StartsWith("E_USAGE"));
  EXPECT_THAT(ErrorOf({{"command", "setBudget"}, {"turnBytes", 1}}), StartsWith("E_USAGE"));
  EXPECT_THAT(ErrorOf({{"command", "setBudget"}, {"bytesPerS", -1}}), StartsWith("E_USAGE"));
  EXPECT_THAT(ErrorOf({{"command", "setBudget"}, {"bytesPerS", 1.5}}), StartsWith("E_USAGE"));
  EXPECT_EQ(actions.chunks.budgets.size(), 1U);
  actions.chunks.has_budgets = false;
  EXPECT_THAT(ErrorOf({{"command", "setBudget"}, {"bytesPerS", 1}}), StartsWith("E_STATE"));
}

TEST_F(ControlTest, PausesAndResumesServing) {
  EXPECT_EQ(ErrorOf({{"command", "pauseServing"}}), "");
  EXPECT_TRUE(actions.chunks.paused);
  EXPECT_EQ(ErrorOf({{"command", "resumeServing"}}), "");
  EXPECT_FALSE(actions.chunks.paused);
}

TEST_F(ControlTest, BlocksObjects) {
  const std::string hex(64, 'a');
  EXPECT_EQ(ErrorOf({{"command", "blockObjects"}, {"objects", {hex, hex}}}), "");
  EXPECT_EQ(actions.blocked.size(), 1U);
  EXPECT_EQ(actions.blocked_seq, std::nullopt);
  EXPECT_EQ(ErrorOf({{"command", "blockObjects"}, {"objects", {hex}}, {"seq", 18}}), "");
  EXPECT_EQ(actions.blocked_seq, 18U);
  EXPECT_THAT(ErrorOf({{"command", "blockObjects"}, {"objects", {hex}}, {"seq", "19"}}),
              StartsWith("E_USAGE"));
  EXPECT_THAT(ErrorOf({{"command", "blockObjects"}, {"objects", {hex, 7}}}), StartsWith("E_USAGE"));
  EXPECT_THAT(ErrorOf({{"command", "blockObjects"}, {"objects", {"abc"}}}), StartsWith("E_BAD_ID"));
  EXPECT_THAT(ErrorOf({{"command", "blockObjects"}}), StartsWith("E_USAGE"));
  EXPECT_EQ(actions.blocked.size(), 1U);
}

TEST_F(ControlTest, QuarantinesAndLifts) {
  EXPECT_EQ(ErrorOf({{"command", "setDevicePolicy"},
                     {"device", "cam-1"},
                     {"quarantined", true},
                     {"seconds", 60}}),
            "");
  EXPECT_EQ(ErrorOf({{"command", "setDevicePolicy"}, {"device", "cam-1"}, {"quarantined", false}}),
            "");
  EXPECT_THAT(actions.calls, ElementsAre("quarantine cam-1 60", "lift cam-1 0"));
  EXPECT_THAT(ErrorOf({{"command", "setDevicePolicy"}, {"device", "cam-1"}}),
              StartsWith("E_USAGE"));
  EXPECT_THAT(ErrorOf({{"command", "setDevicePolicy"}, {"device", "cam/1"}, {"quarantined", true}}),
              StartsWith("E_BAD_IDENTITY"));
  EXPECT_THAT(ErrorOf({{"command", "setDevicePolicy"},
                       {"device", "cam-1"},
                       {"quarantined", true},
                       {"seconds", 0}}),
              StartsWith("E_USAGE"));
  actions.fails = true;
  EXPECT_THAT(
      ErrorOf({{"command", "setDevicePolicy"}, {"device", "cam-1"}, {"quarantined", false}}),
      StartsWith("E_NOT_FOUND"));
}

TEST_F(ControlTest, KicksByIdentityOnly) {
  EXPECT_THAT(ErrorOf({{"command", "kickDevice"}}), StartsWith("E_USAGE"));
  EXPECT_THAT(ErrorOf({{"command", "kickDevice"}, {"device", ""}}), StartsWith("E_BAD_IDENTITY"));
  EXPECT_THAT(ErrorOf({{"command", "kickDevice"}, {"device", 7}}), StartsWith("E_USAGE"));
  EXPECT_THAT(actions.calls, IsEmpty());
}

TEST_F(ControlTest, ReloadsAndSaysWhatWasWrong) {
  EXPECT_EQ(ErrorOf({{"command", "reloadConfig"}}), "");
  actions.fails = true;
  EXPECT_EQ(ErrorOf({{"command", "reloadConfig"}}), "E_IO: cannot read it");
}

TEST_F(ControlTest, SaysSoWhenNobodyServes) {
  actions.serves = false;
  for (const char* command :
       {"listJobs", "setBudget", "pauseServing", "resumeServing", "blockObjects"}) {
    EXPECT_THAT(ErrorOf({{"command", command}}), StartsWith("E_STATE")) << command;
  }
}

TEST_F(ControlTest, CarriesOutTheRestWhenOneFails) {
  const json responses =
      Run(R"({"commands":[{"command":"fly"},7,{},{"command":"kickDevice","device":"cam-1"}]})");
  ASSERT_EQ(responses.size(), 4U);
  EXPECT_EQ(responses[0]["command"], "fly");
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_THAT(std::string(responses[i]["error"]), StartsWith("E_USAGE"));
  EXPECT_FALSE(responses[3].contains("error"));
  EXPECT_THAT(actions.calls, ElementsAre("kick cam-1"));
}

TEST_F(ControlTest, RefusesWhatIsNoMessageOfCommands) {
  for (const char* message :
       {"", "{", "[]", "7", "null", "{}", R"({"commands":7})",
        R"({"commands":{"command":"getStatus"}})", "\xff\xfe", "{\"commands\":[}"}) {
    const json responses = Run(message);
    ASSERT_EQ(responses.size(), 1U) << message;
    EXPECT_THAT(std::string(responses[0]["error"]), StartsWith("E_USAGE")) << message;
  }
}

TEST_F(ControlTest, BoundsLengthDepthAndCount) {
  const std::string deep = R"({"commands":[{"command":"getStatus","x":)" +
                           std::string(20'000, '[') + std::string(20'000, ']') + "}]}";
  EXPECT_THAT(std::string(Run(deep)[0]["error"]), StartsWith("E_USAGE"));
  const std::string big =
      R"({"commands":[{"command":")" + std::string(limits::kControlBytesMax, 'x') + R"("}]})";
  EXPECT_THAT(std::string(Run(big)[0]["error"]), StartsWith("E_TOO_BIG"));
  json many;
  many["commands"] = std::vector<json>(limits::kControlCommandsMax + 1, {{"command", "getStatus"}});
  EXPECT_THAT(std::string(Run(many.dump())[0]["error"]), StartsWith("E_TOO_BIG"));
}

TEST_F(ControlTest, RepliesInNoMoreThanOneMessage) {
  actions.chunks.jobs.resize(limits::kListedJobsMax, {std::string(64, 'x'), {}, UINT64_MAX});
  json many;
  many["commands"] = std::vector<json>(limits::kControlCommandsMax, {{"command", "listJobs"}});
  const std::string reply = RunControl(AsBytes(many.dump()), actions);
  EXPECT_LE(reply.size(), limits::kControlReplyBytesMax);
  EXPECT_THAT(reply, HasSubstr("E_TOO_BIG"));
}

TEST_F(ControlTest, SaysBackNoLongText) {
  const json response =
      RunOne({{"command", std::string(1'000, 'x')}, {"correlationData", std::string(1'000, 'y')}});
  EXPECT_FALSE(response.contains("command"));
  EXPECT_FALSE(response.contains("correlationData"));
  EXPECT_TRUE(response.contains("error"));
}

}  // namespace
}  // namespace sluice::plugin
