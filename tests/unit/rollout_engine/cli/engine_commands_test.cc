// The commands that speak to an engine: what they ask, what they print, how they end.
#include <gtest/gtest.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/crypto/digest.h"
#include "rollout_engine/cli/session.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/rollout_engine/cli/fake_engine.h"
#include "tests/unit/rollout_engine/cli/sluice_program.h"

namespace sluice {
namespace {

using nlohmann::json;

std::string Rollout(const std::string& status) {
  return R"({"api_version":"v1","rid":"r-1","release":"d-v2","status":")" + status + R"("})";
}
std::string Problem(const std::string& code, const std::string& detail) {
  return R"({"status":0,"code":")" + code + R"(","detail":")" + detail + R"("})";
}

class EngineCommands : public testing::Test {
 protected:
  Finished Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--socket", socket_});
    return RunProgram(directory_.path().string(), arguments);
  }

  test_support::TemporaryDirectory directory_;
  std::string socket_ = directory_.File("engine.sock");
  FakeEngine engine_{socket_};
};

TEST_F(EngineCommands, FindTheSocketInTheEnvironmentToo) {
  engine_.On("GET /v1/engine", {{200, R"({"id":"e-1","devices":7,"broker_connected":true})"}});
  const Finished finished =
      RunProgram(directory_.path().string(), {"engine", "status"}, {"SLUICE_SOCKET=" + socket_});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_NE(finished.out.find("e-1"), std::string::npos) << finished.out;
}

TEST_F(EngineCommands, SayWhoServesTheChunks) {
  const struct {
    std::string state;
    std::string shown;
  } rows[] = {
      {R"("server":"plant-7","server_lease":"live","server_serving":true)", " plant-7 "},
      {R"("server":"plant-7","server_lease":"live","server_serving":false)",
       " engine (plant-7 is paused) "},
      {R"("server":"plant-7","server_lease":"lapsed","server_serving":false)",
       " engine (plant-7 is silent) "},
      {R"("server":"","server_lease":"none","server_serving":false)", " engine "},
  };
  for (const auto& row : rows) {
    engine_.On("GET /v1/engine", {{200, R"({"id":"e-1","store":"ok",)" + row.state + "}"}});
    const Finished finished = Run({"engine", "status"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_NE(finished.out.find(row.shown), std::string::npos) << finished.out;
  }
}

TEST_F(EngineCommands, SayThatNoEngineAnswers) {
  const Finished finished =
      RunProgram(directory_.path().string(), {"--socket", "/nowhere.sock", "rollout", "list"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_TRUE(finished.err.starts_with("E_NOT_CONNECTED: no engine answers at /nowhere.sock"))
      << finished.err;
}

TEST_F(EngineCommands, HandARolloutFileOverAsItIs) {
  const std::string file = "rollout:\n  model_version: \"d-v2\" # as written\n";
  directory_.Write("rollout.yaml", file);
  engine_.On("POST /v1/rollouts", {{201, Rollout("scheduled")}});
  const Finished created = Run({"rollout", "create", "-f", "rollout.yaml", "-o", "json"});
  EXPECT_EQ(created.exit_code, 0) << created.err;
  EXPECT_EQ(json::parse(created.out).at("rid"), "r-1");
  const auto questions = engine_.questions();
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].body, file);
  EXPECT_EQ(questions[0].content_type, "application/yaml");
  EXPECT_EQ(questions[0].idempotency_key.size(), 20u);
}

TEST_F(EngineCommands, PrintThePlanOfADryRun) {
  directory_.Write("rollout.yaml", "rollout: {}");
  engine_.On("POST /v1/rollouts?dry_run=1",
             {{200, R"({"release":"d-v2","model":"d","devices":3})"}});
  const Finished planned = Run({"rollout", "create", "-f", "rollout.yaml", "--dry-run"});
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_TRUE(planned.out.starts_with("d-v2 of d to 3 devices")) << planned.out;
}

TEST_F(EngineCommands, PlanIsADryRunUnderAName) {
  directory_.Write("rollout.yaml", "rollout: {}");
  engine_.On("POST /v1/rollouts?dry_run=1",
             {{200, R"({"release":"d-v2","model":"d","devices":3})"}});
  const Finished planned = Run({"rollout", "plan", "-f", "rollout.yaml"});
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_TRUE(planned.out.starts_with("d-v2 of d to 3 devices")) << planned.out;
}

TEST_F(EngineCommands, PrintAStoredLookAndSayWhenItsInputWasNotKept) {
  engine_.On("GET /v1/rollouts/r-1/looks/7?stage=canary&variant=d-int8",
             {{200, R"({"name":"r-1/0/7/1","input":{},"expected":{}})"}});
  const Finished whole =
      Run({"rollout", "record", "r-1", "7", "--stage", "canary", "--variant", "d-int8"});
  EXPECT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_EQ(json::parse(whole.out).at("name"), "r-1/0/7/1");
  EXPECT_EQ(whole.err, "");
  engine_.On("GET /v1/rollouts/r-1/looks/8", {{200, R"({"name":"r-1/0/8/0","expected":{}})"}});
  const Finished result_only = Run({"rollout", "record", "r-1", "8"});
  EXPECT_EQ(result_only.exit_code, 0);
  EXPECT_NE(result_only.err.find("kept its result"), std::string::npos) << result_only.err;
}

TEST_F(EngineCommands, SendEveryOperationUnderItsName) {
  engine_.On("POST /v1/rollouts/r-1/operations", {{200, R"({"ok":true,"message":"done"})"}});
  const struct {
    const char* verb;
    const char* op;
  } rows[] = {{"start", "start"},     {"pause", "pause"}, {"resume", "resume"},
              {"promote", "promote"}, {"abort", "abort"}, {"rollback", "roll_back"},
              {"approve", "approve"}};
  for (const auto& row : rows) {
    const Finished finished = Run({"rollout", row.verb, "r-1", "--reason", "it is \"time\"", "--id",
                                   "my-own-id", "--expect-rev", "0"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    const json body = json::parse(engine_.questions().back().body);
    EXPECT_EQ(body, json({{"op", row.op},
                          {"id", "my-own-id"},
                          {"by", "operator"},
                          {"reason", "it is \"time\""},
                          {"expect_rev", 0}}));
  }
  Run({"rollout", "promote", "r-1", "--to", "general"});
  Run({"rollout", "pause", "r-1"});
  const auto questions = engine_.questions();
  const json promote = json::parse(questions[questions.size() - 2].body);
  const json pause = json::parse(questions.back().body);
  EXPECT_EQ(promote.at("to"), "general");
  EXPECT_FALSE(pause.contains("expect_rev"));
  EXPECT_NE(promote.at("id"), pause.at("id")) << "an id of its own each time";
}

TEST_F(EngineCommands, OperateOnDevicesAndOnTheEngine) {
  engine_.On("POST /v1/devices/cam-1/operations", {{200, R"({"ok":true,"message":"done"})"}});
  engine_.On("POST /v1/engine/operations", {{200, R"({"ok":true,"message":"done"})"}});
  const auto op = [&] { return json::parse(engine_.questions().back().body).at("op"); };
  EXPECT_EQ(Run({"device", "quarantine", "cam-1", "--reason", "smells of smoke"}).exit_code, 0);
  EXPECT_EQ(op(), "quarantine");
  EXPECT_EQ(Run({"device", "quarantine", "cam-1", "--lift"}).exit_code, 0);
  EXPECT_EQ(op(), "lift");
  const Finished accepted = Run({"engine", "accept-clock"});
  EXPECT_EQ(accepted.exit_code, 0) << accepted.err;
  EXPECT_EQ(accepted.out, "engine accept_clock: done\n");
  EXPECT_EQ(op(), "accept_clock");
  const Finished reloaded = Run({"rules", "reload", "--reason", "line 9"});
  EXPECT_EQ(reloaded.exit_code, 0) << reloaded.err;
  EXPECT_EQ(reloaded.out, "rules reload_rules: done\n");
  EXPECT_EQ(op(), "reload_rules");
}

TEST_F(EngineCommands, EndWithTheCodeThatTheEnginesRefusalMeans) {
  const struct {
    int status;
    std::string code;
    int exit_code;
  } rows[] = {
      {400, "E_YAML_DUPLICATE", 2}, {400, "E_CFG_RANGE", 2},      {404, "E_NO_SUCH_VERSION", 3},
      {404, "E_NOT_FOUND", 3},      {409, "E_CONFLICT", 4},       {409, "E_ROLLOUT_ACTIVE", 4},
      {422, "E_STATE", 4},          {503, "E_STORE_READONLY", 1}, {500, "E_INTERNAL", 1},
  };
  for (const auto& row : rows) {
    engine_.On("GET /v1/rollouts/r-1", {{row.status, Problem(row.code, "what was seen")}});
    const Finished finished = Run({"rollout", "get", "r-1"});
    EXPECT_EQ(finished.exit_code, row.exit_code) << finished.err;
    EXPECT_EQ(finished.err, row.code + ": what was seen\n");
    EXPECT_EQ(finished.out, "");
  }
}

TEST_F(EngineCommands, BearAnswersThatAreNotTheEngines) {
  engine_.On("GET /v1/rollouts/r-1", {{502, "<html>bad gateway</html>"}});
  EXPECT_EQ(Run({"rollout", "get", "r-1"}).err,
            "E_INTERNAL: the engine answered 502 without saying why\n");
  engine_.On("GET /v1/rollouts/r-1", {{422, Problem("E_OF_NEXT_YEAR", "a new reason")}});
  const Finished newer = Run({"rollout", "get", "r-1"});
  EXPECT_NE(newer.err.find("E_OF_NEXT_YEAR"), std::string::npos) << newer.err;
  EXPECT_NE(newer.err.find("a new reason"), std::string::npos) << newer.err;
  engine_.On("GET /v1/rollouts/r-1", {{200, "not JSON"}});
  EXPECT_EQ(Run({"rollout", "get", "r-1"}).exit_code, 1);
}

TEST_F(EngineCommands, NeverBuildAPathFromABadName) {
  for (const char* id : {"../engine", "r-1/operations", "r 1", "r-1?x=1", ""}) {
    EXPECT_EQ(Run({"rollout", "get", id}).exit_code, 2) << id;
    EXPECT_EQ(Run({"device", "get", id}).exit_code, 2) << id;
  }
  EXPECT_TRUE(engine_.questions().empty());
}

TEST_F(EngineCommands, FollowARolloutLineByLineUntilItIsOver) {
  engine_.On("GET /v1/rollouts/r-1", {{200, Rollout("running")},
                                      {200, Rollout("running")},
                                      {200, Rollout("rolling_back")},
                                      {200, Rollout("rolled_back")}});
  const Finished watched = Run({"rollout", "get", "r-1", "-w"});
  EXPECT_EQ(watched.exit_code, 7);
  EXPECT_EQ(watched.out,
            "r-1 d-v2 running, confirmed 0/0\nr-1 d-v2 rolling_back, confirmed 0/0\n"
            "r-1 d-v2 rolled_back, confirmed 0/0\n");
  EXPECT_EQ(watched.out.find('\x1b'), std::string::npos) << "no terminal, no control codes";
}

TEST_F(EngineCommands, FollowARolloutAsOneJsonDocumentPerLine) {
  engine_.On("GET /v1/rollouts/r-1", {{200, Rollout("running")}, {200, Rollout("completed")}});
  const Finished watched = Run({"rollout", "get", "r-1", "-w", "-o", "json"});
  EXPECT_EQ(watched.exit_code, 0);
  EXPECT_EQ(watched.out, Rollout("running") + "\n" + Rollout("completed") + "\n");
}

TEST_F(EngineCommands, TellByTheExitCodeHowARolloutStands) {
  const struct {
    std::string status;
    int exit_code;
  } rows[] = {{"completed", 0}, {"holding", 6}, {"paused", 6}, {"aborted", 7}, {"rolling_back", 7}};
  for (const auto& row : rows) {
    engine_.On("GET /v1/rollouts/r-1", {{200, Rollout(row.status)}});
    EXPECT_EQ(Run({"rollout", "status", "r-1"}).exit_code, row.exit_code) << row.status;
  }
  engine_.On("GET /v1/rollouts/r-1", {{200, Rollout("running")}});
  EXPECT_EQ(Run({"rollout", "status", "r-1", "--watch=false"}).exit_code, 0);
  const Finished late = Run({"rollout", "status", "r-1", "--timeout", "0.01s"});
  EXPECT_EQ(late.exit_code, 5);
  EXPECT_TRUE(late.err.starts_with("E_TIMEOUT")) << late.err;
}

TEST_F(EngineCommands, GatherAllPagesOfAList) {
  engine_.On("GET /v1/devices?limit=1000&selector=hardware%3Djetson",
             {{200, R"({"api_version":"v1","items":[{"id":"a"}],"next_cursor":"a"})"}});
  engine_.On("GET /v1/devices?cursor=a&limit=1000&selector=hardware%3Djetson",
             {{200, R"({"api_version":"v1","items":[{"id":"b"}]})"}});
  const Finished names = Run({"device", "list", "-l", "hardware=jetson", "-o", "name"});
  EXPECT_EQ(names.out, "a\nb\n") << names.err;
  const Finished document = Run({"device", "list", "-l", "hardware=jetson", "-o", "json"});
  EXPECT_EQ(json::parse(document.out),
            json::parse(R"({"api_version":"v1","items":[{"id":"a"},{"id":"b"}]})"));
}

TEST_F(EngineCommands, ReadOnAfterAFullPageOfEvents) {
  json full = {{"items", json::array()}};
  for (int seq = 1; seq <= 1'000; ++seq) full["items"].push_back({{"seq", seq}});
  const std::string path = "GET /v1/rollouts/r-1/events?";
  engine_.On(path + "limit=1000", {{200, full.dump()}});
  engine_.On(path + "after=1000&limit=1000", {{200, R"({"items":[{"seq":1001}]})"}});
  const Finished events = Run({"rollout", "events", "r-1", "-o", "json"});
  ASSERT_EQ(events.exit_code, 0) << events.err;
  const json items = json::parse(events.out).at("items");
  ASSERT_EQ(items.size(), 1'001u);
  EXPECT_EQ(items.back().at("seq"), 1'001);
}

TEST_F(EngineCommands, DrawOverTheLastScreenOnATerminal) {
  engine_.On("GET /v1/rollouts/r-1", {{200, Rollout("running")}, {200, Rollout("completed")}});
  std::ostringstream out, err;
  const SystemClock clock;
  SeededRandom random(1);
  Session session{out, err, clock, random};
  session.live = true;
  const char* arguments[] = {"sluice", "--socket", socket_.c_str(), "rollout", "get", "r-1", "-w"};
  EXPECT_EQ(RunSluice(static_cast<int>(std::size(arguments)), arguments, session), 0) << err.str();
  const std::string screens = out.str();
  const std::size_t redraw = screens.find("\x1b[3A\x1b[J");
  ASSERT_NE(redraw, std::string::npos) << "three lines up: rollout, its header, the stages' header";
  EXPECT_LT(screens.find("running"), redraw);
  EXPECT_GT(screens.find("completed"), redraw);
}

TEST_F(EngineCommands, ShowDevicesAndTheirHistory) {
  engine_.On("GET /v1/devices/cam-1",
             {{200, R"({"id":"cam-1","model":"d","hardware":"jetson","online":true,"busy":true,
               "progress":42.5,"reported":"d-v1","desired":"d-v2","state":"downloading"})"}});
  engine_.On("GET /v1/devices/cam-1/history?limit=1000",
             {{200, R"({"items":[{"ts":1769860800000,"state":"failed","code":"E_SIG_BAD"}]})"}});
  const Finished device = Run({"device", "get", "cam-1"});
  EXPECT_EQ(
      device.out,
      "ID     MODEL  HARDWARE  ONLINE  REPORTED  DESIRED  STATE        WAITING  PROGRESS  ERROR\n"
      "cam-1  d      jetson    yes     d-v1      d-v2     downloading  -        42.5%     -\n");
  const Finished history = Run({"device", "history", "cam-1"});
  EXPECT_NE(history.out.find("2026-01-31T12:00:00Z  failed"), std::string::npos) << history.out;
}

TEST_F(EngineCommands, PrintYamlThatReadsBackAsText) {
  engine_.On(
      "GET /v1/rollouts/r-1",
      {{200, R"({"rid":"r-1","percent":5,"why":"no: 1","stage_list":[{"name":"a"}],"x":[]})"}});
  EXPECT_EQ(Run({"rollout", "get", "r-1", "-o", "yaml"}).out,
            "rid: \"r-1\"\npercent: 5\nwhy: \"no: 1\"\nstage_list:\n  - name: \"a\"\nx: []\n");
}

class Publishing : public EngineCommands {
 protected:
  void SetUp() override {
    directory_.Write("model.bin", "model");
    directory_.Write("val.bin", "images");
    directory_.Write("meta.yaml",
                     "model: d\nfleet: f\nformat: raw\nhardware: [a]\nmetrics: {accuracy: 1}\n"
                     "validation: {file: val.bin}\n");
    ASSERT_EQ(Run({"key", "generate", "-o", "release.key"}).exit_code, 0);
    ASSERT_EQ(
        Run({"release", "create", "d-v1", "model.bin", "--meta", "meta.yaml", "-o", "b"}).exit_code,
        0);
  }
  static std::string ObjectPath(std::string_view bytes) {
    return "/v1/objects/" + Sha256(AsBytes(bytes)).Hex();
  }
};

TEST_F(Publishing, AdvisesNothingAboutDevicesThatHaveNothingYet) {
  ASSERT_EQ(Run({"release", "sign", "b", "--key", "release.key"}).exit_code, 0);
  engine_.On("HEAD " + ObjectPath("model"), {{200, ""}});
  engine_.On("HEAD " + ObjectPath("images"), {{200, ""}});
  engine_.On("POST /v1/releases", {{201, R"({"release":"d-v1","state":"published"})"}});
  engine_.On("GET /v1/releases/d-v1/payloads", {{200, R"({"complete":true,"items":[
                {"hardware":"a","kind":"full","base":"","class":"L","devices":2,
                 "artifact_bytes":2000000,"payload_bytes":1800000}]})"}});
  const Finished published = Run({"release", "publish", "b"});
  EXPECT_EQ(published.exit_code, 0) << published.err;
  EXPECT_NE(published.out.find("- (full)"), std::string::npos) << published.out;
  EXPECT_EQ(published.err.find("warning"), std::string::npos) << published.err;
}

TEST_F(Publishing, UploadsWhatTheEngineLacksAndThenTheManifests) {
  ASSERT_EQ(Run({"release", "sign", "b", "--key", "release.key"}).exit_code, 0);
  engine_.On("PUT " + ObjectPath("model"), {{201, "{}"}});
  engine_.On("HEAD " + ObjectPath("images"), {{200, ""}});
  engine_.On("POST /v1/releases", {{201, R"({"release":"d-v1","state":"published"})"}});
  engine_.On("GET /v1/releases/d-v1/payloads",
             {{200, R"({"complete":false,"items":[{"hardware":"a","class":"S"}]})"},
              {200, R"({"complete":true,"items":[
                {"hardware":"a","kind":"delta","base":"d-v0","class":"S","devices":7,
                 "artifact_bytes":2000000,"payload_bytes":1200000},
                {"hardware":"a","kind":"full","base":"","class":"L","devices":2,
                 "artifact_bytes":2000000,"problem":"E_IO: no room"}]})"}});
  const Finished published = Run({"release", "publish", "b"});
  EXPECT_EQ(published.exit_code, 0) << published.err;
  EXPECT_NE(
      published.out.find("a         d-v0      S      7        1.2 MB         60%      1.3 MB"),
      std::string::npos)
      << published.out;
  EXPECT_NE(published.out.find("E_IO: no room"), std::string::npos) << published.out;
  EXPECT_NE(published.err.find("above 50%"), std::string::npos) << published.err;
  std::vector<std::string> lines;
  for (const auto& question : engine_.questions()) lines.push_back(question.line);
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "HEAD " + ObjectPath("model"), "PUT " + ObjectPath("model"),
                       "HEAD " + ObjectPath("images"), "POST /v1/releases",
                       "GET /v1/releases/d-v1/payloads", "GET /v1/releases/d-v1/payloads"}));
  EXPECT_EQ(engine_.questions()[1].body, "model");
  const json body = json::parse(engine_.questions()[3].body);
  EXPECT_EQ(body.at("release"), "d-v1");
  EXPECT_EQ(body.at("metrics"), json({{"accuracy", 1.0}}));
  ASSERT_EQ(body.at("envelopes").size(), 1u);
  EXPECT_TRUE(body.at("envelopes")[0].get<std::string>().starts_with("534c4556")) << "SLEV";
}

TEST_F(Publishing, SucceedsWithoutAForecast) {
  ASSERT_EQ(Run({"release", "sign", "b", "--key", "release.key"}).exit_code, 0);
  for (const char* bytes : {"model", "images"})
    engine_.On("HEAD " + ObjectPath(bytes), {{200, ""}});
  engine_.On("POST /v1/releases", {{200, R"({"release":"d-v1","state":"published"})"}});
  const Finished published = Run({"release", "publish", "b"});  // 404: an engine of before
  EXPECT_EQ(published.exit_code, 0);
  EXPECT_TRUE(published.err.starts_with("no forecast: ")) << published.err;
  const std::size_t asked = engine_.questions().size();
  EXPECT_EQ(Run({"release", "publish", "b", "--forecast", "0"}).err, "");
  EXPECT_EQ(engine_.questions().size(), asked + 3);
}

TEST_F(Publishing, AsksNothingOfTheEngineForAnUnsignedBundle) {
  const Finished refused = Run({"release", "publish", "b"});
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_TRUE(refused.err.starts_with("E_NOT_SIGNED")) << refused.err;
  EXPECT_TRUE(engine_.questions().empty());
}

TEST_F(Publishing, PassesTheEnginesRefusalOn) {
  ASSERT_EQ(Run({"release", "sign", "b", "--key", "release.key"}).exit_code, 0);
  for (const char* bytes : {"model", "images"})
    engine_.On("HEAD " + ObjectPath(bytes), {{200, ""}});
  engine_.On("POST /v1/releases", {{409, Problem("E_IMMUTABLE", "d-v1 exists with sha256 ab")}});
  const Finished refused = Run({"release", "publish", "b"});
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_EQ(refused.err, "E_IMMUTABLE: d-v1 exists with sha256 ab\n");
}

}  // namespace
}  // namespace sluice
