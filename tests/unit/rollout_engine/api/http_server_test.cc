// The HTTP API over a real Unix socket, in front of a real engine on memory.
#include "rollout_engine/api/http_server.h"

#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/unit/rollout_engine/engine/fleet_fixture.h"

namespace sluice {
namespace {

using nlohmann::json;

/// The engine's own thread, as in the daemon; devices said hello before it took over.
class HttpApi : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fleet_.StartEngine());
    v1_ = fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
    fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
    fleet_.AddDevices(8, v1_);
    fleet_.Pass(1'000);
    fleet_.engine_ticks = false;
    loop_.Start(fleet_.engine());
    socket_ = directory_.File("api.sock");
    const Status started = server_.Start(socket_);
    ASSERT_TRUE(started) << started.error().Line();
  }
  void TearDown() override {
    server_.Stop();
    loop_.Stop();
  }

  httplib::Client Client() {
    httplib::Client client(socket_);
    client.set_address_family(AF_UNIX);
    return client;
  }
  json Get(const std::string& path, int status = 200) {
    const auto response = Client().Get(path);
    EXPECT_TRUE(response) << path;
    EXPECT_EQ(response->status, status) << path << " " << response->body;
    return json::parse(response->body);
  }
  json Post(const std::string& path, const std::string& body, const std::string& type, int status) {
    const auto response = Client().Post(path, body, type);
    EXPECT_TRUE(response) << path;
    EXPECT_EQ(response->status, status) << path << " " << response->body;
    return json::parse(response->body);
  }
  json Operate(const std::string& rollout, const std::string& op, const std::string& id,
               int status = 200) {
    return Post("/v1/rollouts/" + rollout + "/operations",
                json{{"op", op}, {"id", id}, {"by", "tester"}}.dump(), "application/json", status);
  }

  Fleet fleet_;
  Digest v1_;
  test_support::TemporaryDirectory directory_;
  std::string socket_;
  EngineLoop loop_{[](const Error&) {}};
  HttpServer server_{loop_, fleet_.objects()};
};

TEST_F(HttpApi, TellsAboutTheEngine) {
  const json engine = Get("/v1/engine");
  EXPECT_EQ(engine.at("api_version"), "v1");
  EXPECT_EQ(engine.at("fleet"), "test-fleet");
  EXPECT_EQ(engine.at("devices"), 8);
  EXPECT_EQ(engine.at("online"), 8);
  EXPECT_EQ(engine.at("store"), "ok");
  EXPECT_EQ(engine.at("broker_connected"), true);
}

TEST_F(HttpApi, CreatesStartsAndExplainsARollout) {
  const json created = Post("/v1/rollouts?id=r", TwoStages("detector-v2"), "application/yaml", 201);
  EXPECT_EQ(created.at("status"), "scheduled");
  EXPECT_EQ(created.at("stage_list").size(), 2U);
  EXPECT_EQ(created.at("stages"), 2);
  const json outcome = Operate("r", "start", "operation-1");
  EXPECT_EQ(outcome.at("ok"), true);
  EXPECT_EQ(outcome.at("code"), "OK");
  const json rollout = Get("/v1/rollouts/r");
  EXPECT_EQ(rollout.at("status"), "running");
  EXPECT_EQ(rollout.at("stage"), "canary");
  EXPECT_EQ(rollout.at("targeted"), 2);
  EXPECT_GT(rollout.at("rev"), created.at("rev"));
  const json explained = Get("/v1/rollouts/r/explain");
  EXPECT_FALSE(explained.at("missing").empty());
  EXPECT_GT(explained.at("next_check"), 0);
  const json events = Get("/v1/rollouts/r/events");
  EXPECT_GE(events.at("items").size(), 3U);
  EXPECT_EQ(events.at("items")[0].at("type"), "create");
  const auto last = events.at("items").back().at("seq").get<int>();
  EXPECT_TRUE(Get("/v1/rollouts/r/events?after=" + std::to_string(last)).at("items").empty());
}

TEST_F(HttpApi, GivesAStoredLookAsTheJudgeReadsIt) {
  Post("/v1/rollouts?id=r", TwoStages("detector-v2"), "application/yaml", 201);
  Operate("r", "start", "operation-1");
  EXPECT_EQ(Get("/v1/rollouts/r/looks/1", 404).at("code"), "E_NOT_FOUND");
  ASSERT_TRUE(loop_.Run([this](Engine&) {
    fleet_.engine_ticks = true;  // this thread's, for once
    fleet_.Pass(20'000);
    fleet_.engine_ticks = false;
    return true;
  }));
  const json look = Get("/v1/rollouts/r/looks/1");
  EXPECT_EQ(look.at("name"), "r/0/1/0");
  EXPECT_EQ(look.at("input").at("devices").size(), 8U);
  EXPECT_EQ(look.at("expected").at("decision"), "CONTINUE");
  EXPECT_EQ(Get("/v1/rollouts/r/looks/1?stage=canary"), look);
  EXPECT_EQ(Get("/v1/rollouts/r/looks/1?stage=general", 404).at("code"), "E_NOT_FOUND");
  EXPECT_EQ(Get("/v1/rollouts/r/looks/1?stage=nowhere", 404).at("code"), "E_NOT_FOUND");
  EXPECT_EQ(Get("/v1/rollouts/r/looks/1?variant=2", 404).at("code"), "E_NOT_FOUND");
  EXPECT_EQ(Get("/v1/rollouts/r/looks/x", 400).at("code"), "E_USAGE");
}

TEST_F(HttpApi, SendsPeopleToTheEngineThatHasTakenOver) {
  ASSERT_TRUE(loop_.Run([this](Engine&) {
    fleet_.TakeOver();
    return true;
  }));
  EXPECT_EQ(Get("/v1/engine").at("leader"), false);
  const std::string file = TwoStages("detector-v2");
  for (const char* path : {"/v1/rollouts?id=r", "/v1/rollouts?id=r&dry_run=1"}) {
    const json refused = Post(path, file, "application/yaml", 503);
    EXPECT_EQ(refused.at("code"), "E_STALE_ENGINE") << path;
  }
  EXPECT_EQ(Operate("r", "start", "operation-1", 503).at("code"), "E_STALE_ENGINE");
}

TEST_F(HttpApi, DoesAnOperationOnceUnderOneId) {
  Post("/v1/rollouts?id=r", TwoStages("detector-v2"), "application/yaml", 201);
  const json first = Operate("r", "start", "operation-1");
  const json second = Operate("r", "start", "operation-1");
  EXPECT_EQ(first, second);
  const json reused = Operate("r", "pause", "operation-1", 409);
  EXPECT_EQ(reused.at("code"), "E_ID_REUSED");
  EXPECT_EQ(Operate("r", "start", "operation-2", 422).at("code"), "E_STATE");
}

TEST_F(HttpApi, GivesTheNextIdToARolloutWithoutOne) {
  EXPECT_EQ(Post("/v1/rollouts", TwoStages("detector-v2"), "application/yaml", 201).at("rid"),
            "r-0001");
  EXPECT_EQ(Post("/v1/rollouts", TwoStages("detector-v2"), "application/yaml", 201).at("rid"),
            "r-0002");
}

TEST_F(HttpApi, PlansWithoutDoingAnything) {
  const json plan =
      Post("/v1/rollouts?dry_run=1", TwoStages("detector-v2"), "application/yaml", 200);
  EXPECT_EQ(plan.at("devices"), 8);
  EXPECT_EQ(plan.at("without_base"), 0);
  EXPECT_EQ(plan.at("stages")[0].at("devices"), 2);
  EXPECT_EQ(plan.at("payloads")[0].at("base"), "detector-v1");
  EXPECT_GT(plan.at("bytes"), 0);
  EXPECT_EQ(plan.at("stages")[0].at("can_decide"), false);
  EXPECT_FALSE(plan.at("stages")[0].at("criteria").empty());
  EXPECT_NE(plan.at("warnings").dump().find("stage canary cannot decide"), std::string::npos)
      << plan.at("warnings");
  EXPECT_TRUE(Get("/v1/rollouts").at("items").empty());
}

TEST_F(HttpApi, NamesWhatIsWrongInOneProblem) {
  const json unknown = Get("/v1/rollouts/none", 404);
  EXPECT_EQ(unknown.at("code"), "E_NOT_FOUND");
  EXPECT_EQ(unknown.at("status"), 404);
  EXPECT_EQ(Post("/v1/rollouts", "rollout: {x: 1}", "application/yaml", 400).at("code"),
            "E_YAML_UNKNOWN_KEY");
  EXPECT_EQ(Post("/v1/rollouts", TwoStages("detector-v9"), "application/yaml", 404).at("code"),
            "E_NO_SUCH_VERSION");
  EXPECT_EQ(Post("/v1/rollouts/x/operations", "no json", "application/json", 400).at("code"),
            "E_USAGE");
  EXPECT_EQ(Get("/v1/devices?limit=0", 400).at("code"), "E_USAGE");
  EXPECT_EQ(Get("/v1/devices?selector=nonsense", 400).at("code"), "E_USAGE");
  const json status = Get("/v1/rollouts?status=nonsense", 400);
  EXPECT_EQ(status.at("code"), "E_USAGE");
  EXPECT_NE(status.at("detail").get<std::string>().find("allowed scheduled, running"),
            std::string::npos);
  EXPECT_EQ(Get("/v1/nowhere", 404).at("code"), "E_NOT_FOUND");
  EXPECT_EQ(Post("/v1/rollouts", std::string(2 << 20, ' '), "application/yaml", 413).at("code"),
            "E_TOO_BIG");
}

TEST_F(HttpApi, ListsDevicesInPages) {
  const json first = Get("/v1/devices?limit=3");
  ASSERT_EQ(first.at("items").size(), 3U);
  EXPECT_EQ(first.at("items")[0].at("id"), "dev-000");
  EXPECT_EQ(first.at("items")[0].at("reported"), "detector-v1");
  EXPECT_EQ(first.at("items")[0].at("hardware"), "edge-a");
  const json second =
      Get("/v1/devices?limit=10&cursor=" + first.at("next_cursor").get<std::string>());
  EXPECT_EQ(second.at("items").size(), 5U);
  EXPECT_FALSE(second.contains("next_cursor"));
  EXPECT_EQ(Get("/v1/devices?selector=hardware%3Dedge-b").at("items").size(), 4U);
  EXPECT_EQ(Get("/v1/devices/dev-001").at("artifact"), Sha256(Fleet::Artifact(1)).Hex());
  EXPECT_TRUE(Get("/v1/devices/dev-001/history").at("items").empty());
}

TEST_F(HttpApi, TakesObjectsAndChecksTheirDigest) {
  const std::string bytes(3 << 20, 'x');
  const std::string digest = Sha256(AsBytes(bytes)).Hex();
  const std::string path = "/v1/objects/" + digest;
  EXPECT_EQ(Client().Head(path)->status, 404);
  EXPECT_EQ(Client().Put(path, bytes, "application/octet-stream")->status, 201);
  EXPECT_EQ(Client().Head(path)->status, 200);
  EXPECT_EQ(Client().Put(path, bytes, "application/octet-stream")->status, 200);
  const auto wrong = Client().Put(path, bytes + "y", "application/octet-stream");
  EXPECT_EQ(wrong->status, 422);
  EXPECT_EQ(json::parse(wrong->body).at("code"), "E_ARTIFACT_HASH");
}

TEST_F(HttpApi, ListsReleases) {
  const json list = Get("/v1/releases");
  ASSERT_EQ(list.at("items").size(), 2U);
  EXPECT_EQ(list.at("items")[0].at("release"), "detector-v1");
  EXPECT_EQ(Get("/v1/releases/detector-v2").at("model"), "detector");
  EXPECT_EQ(Get("/v1/releases/none", 404).at("code"), "E_NO_SUCH_VERSION");
}

TEST_F(HttpApi, ForecastsWhatAnUpdateToAReleaseCosts) {
  const json first = Get("/v1/releases/detector-v2/payloads");
  EXPECT_EQ(first.at("complete"), false) << "it is being built";
  ASSERT_EQ(first.at("items").size(), 2U) << "one for each hardware";
  EXPECT_FALSE(first.at("items")[0].contains("payload_bytes"));
  const json then = Get("/v1/releases/detector-v2/payloads");
  EXPECT_EQ(then.at("complete"), true);
  const json& row = then.at("items")[0];
  EXPECT_EQ(row.at("kind"), "delta");
  EXPECT_EQ(row.at("base"), "detector-v1");
  EXPECT_EQ(row.at("base_sha256"), Sha256(Fleet::Artifact(1)).Hex());
  EXPECT_EQ(row.at("devices"), 4);
  EXPECT_EQ(row.at("artifact_bytes"), Fleet::Artifact(2).size());
  EXPECT_LT(row.at("payload_bytes"), Fleet::Artifact(2).size() / 2);
  const json own = Get("/v1/releases/detector-v1/payloads");
  EXPECT_TRUE(own.at("items").empty()) << "everybody runs it";
  EXPECT_EQ(own.at("complete"), true);
  EXPECT_EQ(Get("/v1/releases/none/payloads", 404).at("code"), "E_NO_SUCH_VERSION");
}

TEST_F(HttpApi, ServesOnASocketForOwnerAndGroupOnly) {
  struct stat info {};
  ASSERT_EQ(::stat(socket_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660U);
  HttpServer second(loop_, fleet_.objects());
  const Status started = second.Start(socket_);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kLocked);
}

}  // namespace
}  // namespace sluice
