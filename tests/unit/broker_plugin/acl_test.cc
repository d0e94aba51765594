#include "broker_plugin/acl.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "broker_plugin/partition.h"

namespace sluice::plugin {

void PrintTo(const AclDecision& decision, std::ostream* out) {
  *out << (decision.answer == AclAnswer::kAllow  ? "allow"
           : decision.answer == AclAnswer::kDeny ? "deny"
                                                 : "defer")
       << "/" << DenyReasonName(decision.reason);
}

namespace {

constexpr AclDecision kYes{AclAnswer::kAllow, DenyReason::kNone};
constexpr AclDecision kElse{AclAnswer::kDefer, DenyReason::kNone};
constexpr AclDecision No(DenyReason reason) { return {AclAnswer::kDeny, reason}; }

PluginConfig Config() {
  PluginConfig config;
  config.engine_users = {"engine"};
  config.operator_users = {"alice"};
  config.admin_users = {"carol"};
  return config;
}

std::string Partition(std::string_view device) {
  const int number = PartitionOfDevice(device);
  return {'p', static_cast<char>('0' + number / 10), static_cast<char>('0' + number % 10)};
}

/// "UP" stands for cam-1's own up topics, "OTHER" for cam-2's with its right partition.
std::string Expand(std::string topic) {
  const auto replace = [&topic](std::string_view word, const std::string& with) {
    const std::size_t at = topic.find(word);
    if (at != std::string::npos) topic.replace(at, word.size(), with);
  };
  replace("UP", "sluice-dev/v1/up/" + Partition("cam-1") + "/cam-1");
  replace("OTHER", "sluice-dev/v1/up/" + Partition("cam-2") + "/cam-2");
  replace("DEV", "sluice-dev/v1");
  return topic;
}

struct Row {
  std::string user;
  Access access;
  std::string topic;
  int qos;
  bool retain;
  std::string payload;
  AclDecision expected;
};

constexpr Access kR = Access::kRead, kW = Access::kWrite, kS = Access::kSubscribe,
                 kU = Access::kUnsubscribe;
using R = DenyReason;

std::vector<Row> DeviceWrites() {
  const std::string k2(2'048, 'x'), k4(4'096, 'x'), k8(8'192, 'x');
  return {
      {"cam-1", kW, "UP/hello", 1, false, k4, kYes},
      {"cam-1", kW, "UP/hello", 1, false, k4 + "x", No(R::kSize)},
      {"cam-1", kW, "UP/hello", 0, false, "", No(R::kQos)},
      {"cam-1", kW, "UP/hello", 2, false, "", No(R::kQos)},
      {"cam-1", kW, "UP/hello", 1, true, "", No(R::kRetain)},
      {"cam-1", kW, "UP/report", 1, false, k4, kYes},
      {"cam-1", kW, "UP/report", 1, false, k4 + "x", No(R::kSize)},
      {"cam-1", kW, "UP/report", 0, false, "", No(R::kQos)},
      {"cam-1", kW, "UP/report", 1, true, "", No(R::kRetain)},
      {"cam-1", kW, "UP/telemetry", 0, false, k2, kYes},
      {"cam-1", kW, "UP/telemetry", 0, false, k2 + "x", No(R::kSize)},
      {"cam-1", kW, "UP/telemetry", 1, false, "", No(R::kQos)},
      {"cam-1", kW, "UP/telemetry", 0, true, "", No(R::kRetain)},
      {"cam-1", kW, "UP/fetch", 0, false, k8, kYes},
      {"cam-1", kW, "UP/fetch", 0, false, k8 + "x", No(R::kSize)},
      {"cam-1", kW, "UP/fetch", 1, false, "", No(R::kQos)},
      {"cam-1", kW, "UP/fetch", 0, true, "", No(R::kRetain)},
      {"cam-1", kW, "UP/presence", 1, true, "online", kYes},
      {"cam-1", kW, "UP/presence", 1, true, "offline", kYes},
      {"cam-1", kW, "UP/presence", 1, true, "OFFLINE", No(R::kPayload)},
      {"cam-1", kW, "UP/presence", 1, true, "", No(R::kPayload)},
      {"cam-1", kW, "UP/presence", 1, true, "offline!", No(R::kSize)},
      {"cam-1", kW, "UP/presence", 1, false, "online", No(R::kRetain)},
      {"cam-1", kW, "UP/presence", 0, true, "online", No(R::kQos)},
      // Anything but its own five topics.
      {"cam-1", kW, "UP/cmd", 1, false, "", No(R::kTopic)},
      {"cam-1", kW, "UP/hello/x", 1, false, "", No(R::kTopic)},
      {"cam-1", kW, "UP/hell", 1, false, "", No(R::kTopic)},
      {"cam-1", kW, "UP", 1, false, "", No(R::kTopic)},
      {"cam-1", kW, "OTHER/hello", 1, false, "", No(R::kTopic)},
      {"cam-1", kW, "DEV/up/p99/cam-1/hello", 1, false, "", No(R::kTopic)},
      {"cam-1", kW, "DEV/up/cam-1/hello", 1, false, "", No(R::kTopic)},
      {"cam-10", kW, "UP/hello", 1, false, "", No(R::kTopic)},
      {"cam-1", kW, "DEV/down/cam-1/directive", 1, false, "", No(R::kTopic)},
      {"cam-1", kW, "DEV/down/cam-1/chunk", 0, false, "", No(R::kTopic)},
      {"cam-1", kW, "DEV/all/order", 1, true, "", No(R::kTopic)},
      {"cam-1", kW, "sluice-dev", 0, false, "", No(R::kTopic)},
      {"cam-1", kW, "sluice-dev/v2/up", 0, false, "", No(R::kTopic)},
      // A prefix of another word is another word.
      {"cam-1", kW, "sluice-device/x", 0, false, "", kElse},
  };
}

std::vector<Row> DeviceReads() {
  std::vector<Row> rows;
  for (const char* own : {"DEV/down/cam-1/directive", "DEV/down/cam-1/chunk", "DEV/all/root",
                          "DEV/all/freshness", "DEV/all/order"}) {
    rows.push_back({"cam-1", kR, own, 0, false, "", kYes});
    rows.push_back({"cam-1", kS, own, 0, false, "", kYes});
    rows.push_back({"cam-1", kS, own, 1, false, "", kYes});
    rows.push_back({"cam-1", kS, own, 2, false, "", No(R::kQos)});
    rows.push_back({"cam-1", kU, own, 0, false, "", kYes});
    rows.push_back({"cam-1", kS, "$share/g/" + Expand(own), 0, false, "", No(R::kFilter)});
  }
  for (const char* filter :
       {"DEV/down/cam-1/+", "DEV/down/cam-1/#", "DEV/down/+/chunk", "DEV/down/cam-2/chunk",
        "DEV/down/cam-11/chunk", "DEV/all/+", "DEV/all/#", "DEV/#", "sluice-dev/#", "UP/hello",
        "DEV/up/+/+/hello", "DEV/down/cam-1/chunk/x", "DEV/all/roots", "sluice-dev/+/all/root"}) {
    rows.push_back({"cam-1", kS, filter, 0, false, "", No(R::kFilter)});
    rows.push_back({"cam-1", kU, filter, 0, false, "", No(R::kFilter)});
    rows.push_back({"cam-1", kR, filter, 0, false, "", No(R::kTopic)});
  }
  return rows;
}

std::vector<Row> EngineRows() {
  return {
      {"engine", kW, "DEV/down/cam-1/directive", 1, false, "", kYes},
      {"engine", kW, "DEV/down/cam-1/directive", 1, true, std::string(65'536, 'x'), kYes},
      {"engine", kW, "DEV/down/cam-1/chunk", 0, false, std::string(65'537, 'x'), No(R::kSize)},
      {"engine", kW, "DEV/down/cam-1/chunk", 2, false, "", No(R::kQos)},
      {"engine", kW, "DEV/all/order", 1, true, "", kYes},
      {"engine", kW, "UP/hello", 1, false, "", No(R::kTopic)},
      {"engine", kW, "sluice-dev/v1", 1, false, "", No(R::kTopic)},
      {"engine", kR, "UP/hello", 1, false, "", kYes},
      {"engine", kR, "DEV/all/freshness", 1, false, "", kYes},
      {"engine", kR, "DEV/down/cam-1/chunk", 0, false, "", No(R::kTopic)},
      {"engine", kS, "DEV/up/+/+/hello", 1, false, "", kYes},
      {"engine", kS, "DEV/all/freshness", 1, false, "", kYes},
      {"engine", kS, "DEV/#", 1, false, "", No(R::kTopic)},
      {"engine", kS, "DEV/down/#", 1, false, "", No(R::kTopic)},
      {"engine", kU, "DEV/up/+/+/hello", 0, false, "", kYes},
      {"engine", kW, "sluice/v1/fleet/state", 1, true, "", kYes},
      {"engine", kS, "sluice/#", 1, false, "", kYes},
      {"engine", kR, "sluice/v1/server/hall/lease", 1, false, "", kYes},
      {"engine", kW, "sluice/v1/server/hall/lease", 1, true, "", No(R::kTopic)},
      {"engine", kW, "$CONTROL/sluice/v1", 1, false, "", kYes},
      {"engine", kW, "$CONTROL/sluice/v1/response", 1, false, "", No(R::kTopic)},
      {"engine", kS, "$CONTROL/sluice/v1/response", 1, false, "", kYes},
      {"engine", kS, "$CONTROL/sluice/#", 1, false, "", No(R::kTopic)},
      {"engine", kW, "plant/line/1", 1, false, "", kElse},
  };
}

std::vector<Row> PeopleRows() {
  std::vector<Row> rows;
  for (const char* user : {"alice", "carol"}) {
    rows.push_back({user, kS, "sluice/#", 1, false, "", kYes});
    rows.push_back({user, kU, "sluice/#", 1, false, "", kYes});
    rows.push_back({user, kR, "sluice/v1/rollout/r1/state", 1, false, "", kYes});
    rows.push_back({user, kR, "sluice/v1/server/hall/event", 1, false, "", kYes});
    rows.push_back({user, kW, "sluice/v1/rollout/r1/cmd", 1, false, "", kYes});
    rows.push_back({user, kW, "sluice/v1/device/cam-1/cmd", 1, false, "", kYes});
    rows.push_back({user, kW, "sluice/v1/device/cam-1/cmd", 1, true, "", No(R::kRetain)});
    rows.push_back({user, kW, "sluice/v1/trigger/stop", 1, false, "", kYes});
    rows.push_back({user, kW, "sluice/v1/rollout/r1/state", 1, true, "", No(R::kTopic)});
    rows.push_back({user, kW, "sluice/v1/server/hall/cmd", 1, false, "", No(R::kTopic)});
    rows.push_back({user, kW, "sluice/v1/server", 1, false, "", No(R::kTopic)});
    rows.push_back({user, kW, "UP/hello", 1, false, "", No(R::kTopic)});
    rows.push_back({user, kR, "DEV/down/cam-1/chunk", 0, false, "", No(R::kTopic)});
    rows.push_back({user, kS, "DEV/up/#", 0, false, "", No(R::kTopic)});
    rows.push_back({user, kS, "#", 0, false, "", kElse});
  }
  rows.push_back({"alice", kW, "$CONTROL/sluice/v1", 1, false, "", No(R::kTopic)});
  rows.push_back({"alice", kS, "$CONTROL/sluice/v1/response", 1, false, "", No(R::kTopic)});
  rows.push_back({"carol", kW, "$CONTROL/sluice/v1", 1, false, "", kYes});
  rows.push_back({"carol", kS, "$CONTROL/sluice/v1/response", 1, false, "", kYes});
  return rows;
}

std::vector<Row> StrangerRows() {
  std::vector<Row> rows;
  // Anonymous, a name that is no level, a name that wants to be two levels, one that is too long.
  for (const std::string& user :
       {std::string(), std::string("bob@corp"), std::string("cam-1/cmd"), std::string(65, 'a')}) {
    rows.push_back({user, kW, "UP/hello", 1, false, "", No(R::kIdentity)});
    rows.push_back({user, kR, "DEV/all/root", 1, false, "", No(R::kIdentity)});
    rows.push_back({user, kS, "DEV/all/root", 1, false, "", No(R::kIdentity)});
    rows.push_back({user, kU, "DEV/all/root", 1, false, "", No(R::kIdentity)});
    rows.push_back({user, kS, "sluice/#", 1, false, "", kElse});
    rows.push_back({user, kR, "sluice/v1/fleet/state", 1, false, "", kElse});
    rows.push_back({user, kR, "sluice/v1/server/hall/lease", 1, false, "", kElse});
    rows.push_back({user, kW, "sluice/v1/rollout/r1/cmd", 1, false, "", No(R::kTopic)});
    rows.push_back({user, kW, "sluice/v1/server/hall/lease", 1, false, "", No(R::kTopic)});
    rows.push_back({user, kW, "$CONTROL/sluice/v1", 1, false, "", No(R::kTopic)});
    rows.push_back({user, kW, "$CONTROL/dynamic-security/v1", 1, false, "", kElse});
    rows.push_back({user, kW, "plant/line/1", 2, true, "x", kElse});
    rows.push_back({user, kS, "#", 2, false, "", kElse});
    rows.push_back({user, kS, "+/+/x", 2, false, "", kElse});
  }
  return rows;
}

void CheckRows(const std::vector<Row>& rows, const PluginConfig& config) {
  for (const Row& row : rows) {
    const std::string topic = Expand(row.topic);
    const ClientPolicy policy(config, {&row, row.user, row.user});
    const AclRequest request{row.access, topic, AsBytes(row.payload), row.qos, row.retain};
    EXPECT_EQ(CheckAcl(config, policy, request), row.expected)
        << row.user << " " << static_cast<int>(row.access) << " " << topic << " qos " << row.qos
        << " retain " << row.retain << " bytes " << row.payload.size();
  }
}

TEST(AclTable, GivesADeviceItsOwnTopicsToWrite) { CheckRows(DeviceWrites(), Config()); }
TEST(AclTable, GivesADeviceFiveExactTopicsToHear) { CheckRows(DeviceReads(), Config()); }
TEST(AclTable, GivesTheEngineWhatItNeedsAndNoMore) { CheckRows(EngineRows(), Config()); }
TEST(AclTable, LetsOperatorsReadAndCommand) { CheckRows(PeopleRows(), Config()); }
TEST(AclTable, GivesStrangersNothingAndTakesNothingFromThem) {
  CheckRows(StrangerRows(), Config());
}

TEST(AclTable, AllowsForeignTopicsWhereNobodyElseAnswers) {
  PluginConfig config = Config();
  config.allow_foreign_topics = true;
  std::vector<Row> rows = StrangerRows();
  for (Row& row : rows) {
    if (row.expected == kElse) row.expected = kYes;
  }
  CheckRows(rows, config);
}

TEST(AclTable, RefusesEvenTheWidestFilterToWhoIsSurelyADevice) {
  PluginConfig config = Config();
  config.device_prefixes = {"cam-"};
  for (const char* filter : {"#", "+/#", "+", "$share/g/#"}) {
    CheckRows({{"cam-1", kS, filter, 0, false, "", No(R::kFilter)},
               {"nodered", kS, filter, 0, false, "", kElse}},
              config);
  }
  CheckRows({{"nodered", kW, "DEV/up/p00/nodered/hello", 1, false, "", No(R::kIdentity)}}, config);
}

TEST(ClientPolicy, MakesEverybodyElseADevice) {
  const ClientPolicy policy(Config(), {nullptr, "cam-1", "cam-1"});
  EXPECT_EQ(policy.role(), Role::kDevice);
  EXPECT_EQ(policy.identity(), "cam-1");
  EXPECT_EQ(policy.partition(), PartitionOfDevice("cam-1"));
  EXPECT_FALSE(policy.is_named_device());
}

TEST(ClientPolicy, MakesNoDeviceOfAnotherClientId) {
  PluginConfig config = Config();
  EXPECT_EQ(ClientPolicy(config, {nullptr, "cam-1", "cam-2"}).role(), Role::kNobody);
  EXPECT_TRUE(ClientPolicy(config, {nullptr, "cam-1", "cam-2"}).is_bad_identity());
  config.client_id_is_username = false;
  EXPECT_EQ(ClientPolicy(config, {nullptr, "cam-1", "cam-2"}).role(), Role::kDevice);
  // The others may call their clients what they like.
  EXPECT_EQ(ClientPolicy(Config(), {nullptr, "engine", "e-17"}).role(), Role::kEngine);
}

TEST(ClientPolicy, MakesNoDeviceOfWhoIsNotNamedWhenSomeAre) {
  PluginConfig config = Config();
  config.device_users = {"gate-1"};
  config.device_prefixes = {"cam-"};
  EXPECT_TRUE(ClientPolicy(config, {nullptr, "gate-1", "gate-1"}).is_named_device());
  EXPECT_TRUE(ClientPolicy(config, {nullptr, "cam-7", "cam-7"}).is_named_device());
  EXPECT_EQ(ClientPolicy(config, {nullptr, "nodered", "nodered"}).role(), Role::kNobody);
  EXPECT_FALSE(ClientPolicy(config, {nullptr, "node/red", "x"}).is_bad_identity());
  EXPECT_TRUE(ClientPolicy(config, {nullptr, "cam-7/x", "cam-7/x"}).is_bad_identity());
}

TEST(CheckAclClosed, DeniesWhatIsSluicesAndLeavesTheRest) {
  const auto answer = [](Access access, std::string_view topic) {
    return CheckAclClosed(false, {access, topic, {}, 0, false}).answer;
  };
  for (const Access access : {kR, kW, kS, kU}) {
    EXPECT_EQ(answer(access, "sluice-dev/v1/all/root"), AclAnswer::kDeny);
    EXPECT_EQ(answer(access, "sluice-dev"), AclAnswer::kDeny);
    EXPECT_EQ(answer(access, "$CONTROL/sluice/v1"), AclAnswer::kDeny);
    EXPECT_EQ(answer(access, "plant/x"), AclAnswer::kDefer);
    EXPECT_EQ(answer(access, "sluice/v1/fleet/state"), AclAnswer::kDefer);
  }
  EXPECT_EQ(answer(kW, "sluice/v1/server/hall/lease"), AclAnswer::kDeny);
  EXPECT_EQ(answer(kR, "sluice/v1/server/hall/lease"), AclAnswer::kDefer);
  EXPECT_EQ(CheckAclClosed(true, {kW, "plant/x", {}, 0, false}).answer, AclAnswer::kAllow);
  EXPECT_EQ(CheckAclClosed(true, {kW, "sluice-dev/x", {}, 0, false}).answer, AclAnswer::kDeny);
}

}  // namespace
}  // namespace sluice::plugin
