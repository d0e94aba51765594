// `sluice key`, `root` and `release create|sign|verify|show`: what needs no engine.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "common/contract/limits.h"
#include "common/crypto/digest.h"
#include "common/crypto/trust.h"
#include "rollout_engine/registry/bundle.h"
#include "rollout_engine/registry/file_io.h"
#include "rollout_engine/registry/registry.h"
#include "rollout_engine/store/rocksdb_store.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/rollout_engine/cli/sluice_program.h"

namespace sluice {
namespace {

class OfflineCommands : public testing::Test {
 protected:
  Finished Run(const std::vector<std::string>& arguments) {
    return RunProgram(directory_.path().string(), arguments);
  }
  void RunWell(const std::vector<std::string>& arguments) {
    const Finished finished = Run(arguments);
    ASSERT_EQ(finished.exit_code, 0) << arguments[0] << " " << arguments[1] << ": " << finished.err;
  }
  void MakeFleet() {
    for (const char* role : {"root", "release", "director"}) {
      RunWell({"key", "generate", "-o", std::string(role) + ".key"});
    }
    RunWell(RootCreate());
  }
  static std::vector<std::string> RootCreate() {
    return {"root",
            "create",
            "--fleet",
            "plant-7",
            "--root-key",
            "root.key.pub",
            "--release-key",
            "release.key.pub",
            "--director-key",
            "director.key.pub",
            "--sign-with",
            "root.key",
            "-o",
            "root.env"};
  }
  void MakeBundle() {
    directory_.Write("model.bin", "a small model");
    directory_.Write("val.bin", "images");
    directory_.Write("meta.yaml",
                     "model: detector\nfleet: plant-7\nformat: safetensors\nhardware: [edge-a]\n"
                     "metrics: {accuracy: 0.97}\nvalidation: {file: val.bin}\n");
    RunWell({"release", "create", "detector-v1", "model.bin", "--meta", "meta.yaml", "-o", "b"});
  }

  test_support::TemporaryDirectory directory_;
};

TEST_F(OfflineCommands, MakeAKeyPairThatOnlyItsOwnerReads) {
  for (const char* algorithm : {"ed25519", "ecdsa-p256"}) {
    const std::string file = std::string(algorithm) + ".key";
    const Finished made = Run({"key", "generate", "-o", file, "--algorithm", algorithm});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    struct stat status {};
    ASSERT_EQ(::stat(directory_.File(file).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    EXPECT_EQ(made.out.size(), 65u) << "the key id and a newline";
    EXPECT_EQ(Run({"key", "show", file}).out, made.out);
    EXPECT_EQ(Run({"key", "show", file + ".pub"}).out, made.out);
    EXPECT_EQ(made.err.find("private"), std::string::npos);
  }
}

TEST_F(OfflineCommands, NeverOverwriteAKey) {
  RunWell({"key", "generate", "-o", "a.key"});
  const Finished again = Run({"key", "generate", "-o", "a.key"});
  EXPECT_EQ(again.exit_code, 4);
  EXPECT_TRUE(again.err.starts_with("E_CONFLICT: ")) << again.err;
  std::filesystem::remove(directory_.File("a.key"));
  EXPECT_EQ(Run({"key", "generate", "-o", "a.key"}).exit_code, 4) << "a.key.pub is somebody's too";
}

TEST_F(OfflineCommands, MakeARootThatADeviceAccepts) {
  MakeFleet();
  const auto envelope = ReadFile(directory_.File("root.env"), limits::kRootBytesMax);
  ASSERT_TRUE(envelope);
  const auto trust = Trust::FromInstalledRoot(*envelope);
  ASSERT_TRUE(trust) << trust.error().Line();
  EXPECT_EQ(trust->root().fleet_id, "plant-7");
  EXPECT_EQ(trust->root().version, 1u);
  const Finished shown = Run({"root", "show", "root.env"});
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_NE(shown.out.find("fleet plant-7, version 1"), std::string::npos) << shown.out;
  EXPECT_EQ(Run(RootCreate()).exit_code, 4) << "a root is never overwritten";
}

TEST_F(OfflineCommands, RefuseARootThatNoDeviceWouldAccept) {
  MakeFleet();
  std::filesystem::remove(directory_.File("root.env"));
  auto too_few = RootCreate();
  too_few.insert(too_few.end(), {"--threshold", "2"});
  EXPECT_EQ(Run(too_few).exit_code, 2);
  auto wrong_signer = RootCreate();
  wrong_signer[11] = "release.key";
  const Finished refused = Run(wrong_signer);
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_TRUE(refused.err.starts_with("E_SIG_")) << refused.err;
  auto bad_fleet = RootCreate();
  bad_fleet[3] = "plant 7";
  EXPECT_EQ(Run(bad_fleet).exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(directory_.File("root.env")));
}

TEST_F(OfflineCommands, BringAReleaseFromDraftToSigned) {
  MakeFleet();
  MakeBundle();
  const Finished draft = Run({"release", "show", "b", "-o", "json"});
  EXPECT_NE(draft.out.find(R"("state": "draft")"), std::string::npos) << draft.out;
  const Finished unsigned_bundle = Run({"release", "verify", "b", "--root", "root.env"});
  EXPECT_EQ(unsigned_bundle.exit_code, 4);
  EXPECT_TRUE(unsigned_bundle.err.starts_with("E_NOT_SIGNED: ")) << unsigned_bundle.err;
  RunWell({"release", "sign", "b", "--key", "release.key"});
  RunWell({"release", "verify", "b", "--root", "root.env"});
  EXPECT_NE(Run({"release", "show", "b"}).out.find("signed"), std::string::npos);
  const Finished twice = Run({"release", "sign", "b", "--key", "release.key"});
  EXPECT_EQ(twice.exit_code, 4);
  EXPECT_TRUE(twice.err.starts_with("E_SIG_DUPLICATE_KEY")) << twice.err;
}

TEST_F(OfflineCommands, NoticeABundleWhoseArtifactWasChanged) {
  MakeFleet();
  MakeBundle();
  RunWell({"release", "sign", "b", "--key", "release.key"});
  const std::string hex = Sha256(AsBytes("a small model")).Hex();
  std::ofstream(directory_.File("b/objects/" + hex.substr(0, 2) + "/" + hex)) << "a small m0del";
  const Finished verified = Run({"release", "verify", "b", "--root", "root.env"});
  EXPECT_EQ(verified.exit_code, 1);
  EXPECT_TRUE(verified.err.starts_with("E_OBJECT_HASH")) << verified.err;
}

TEST_F(OfflineCommands, RefuseAReleaseWithOneLineThatSaysWhy) {
  MakeBundle();
  directory_.Write("bad.yaml", "model: detector\nmodel: detector\n");
  directory_.Write("no_model.yaml", "fleet: plant-7\n");
  directory_.Write("empty.bin", "");
  const struct {
    std::vector<std::string> arguments;
    int exit_code;
    std::string code;
  } rows[] = {
      {{"release", "create", "../x", "model.bin", "--meta", "meta.yaml"}, 2, "E_BAD_ID"},
      {{"release", "create", "v2", "model.bin", "--meta", "absent.yaml"}, 3, "E_NOT_FOUND"},
      {{"release", "create", "v2", "model.bin", "--meta", "bad.yaml"}, 2, "E_YAML_DUPLICATE"},
      {{"release", "create", "v2", "model.bin", "--meta", "no_model.yaml"}, 2, "E_CFG_INCOMPLETE"},
      {{"release", "create", "v2", "absent.bin", "--meta", "meta.yaml"}, 3, "E_NOT_FOUND"},
      {{"release", "create", "v2", "empty.bin", "--meta", "meta.yaml"}, 1, "E_ARTIFACT_EMPTY"},
      {{"release", "create", "v2", "--meta", "meta.yaml"}, 2, "E_USAGE"},
      {{"release", "create", "v2", "model.bin", "--meta", "meta.yaml", "-o", "b"}, 4, "E_CONFLICT"},
      {{"release", "sign", "b", "--key", "meta.yaml"}, 4, "E_KEY_FORMAT"},
      {{"release", "sign", "nowhere", "--key", "meta.yaml"}, 3, "E_NOT_FOUND"},
      {{"release", "verify", "b", "--root", "model.bin"}, 1, "E_ENV_FORMAT"},
      {{"release", "list", "--data", "nowhere"}, 3, "E_NOT_FOUND"},
      {{"store", "dump", "nowhere"}, 3, "E_NOT_FOUND"},
  };
  for (const auto& row : rows) {
    const Finished finished = Run(row.arguments);
    EXPECT_EQ(finished.exit_code, row.exit_code) << row.code << ": " << finished.err;
    EXPECT_TRUE(finished.err.starts_with(row.code)) << finished.err;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    EXPECT_EQ(finished.out, "");
  }
}

TEST_F(OfflineCommands, FindAStoreWhoseLogHasRotted) {
  const std::string data = directory_.File("engine");
  ASSERT_TRUE(ObjectStore::Open(data));
  {
    const auto store = RocksdbStore::Open(data + "/store", RocksdbStore::Mode::kCreate);
    ASSERT_TRUE(store) << store.error().Line();
    WriteBatch batch;
    batch.Put("key", std::string(100, 'v'));
    ASSERT_TRUE((*store)->Write(batch, true));
  }
  EXPECT_EQ(Run({"store", "verify", "engine"}).err, "");
  for (const auto& entry : std::filesystem::directory_iterator(data + "/store")) {
    if (entry.path().extension() != ".log") continue;
    std::fstream log(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    log.seekp(-50, std::ios::end);
    log.put('x');
  }
  const Finished verified = Run({"store", "verify", "engine"});
  EXPECT_EQ(verified.exit_code, 1);
  EXPECT_TRUE(verified.err.starts_with("E_STORE_CORRUPT")) << verified.err;
  EXPECT_EQ(verified.out, "");
  std::filesystem::remove(data + "/store/SYNCED");
  EXPECT_NE(Run({"store", "verify", "engine"}).err.find("SYNCED"), std::string::npos);
}

TEST_F(OfflineCommands, ReadTheRegistryOfAnEnginesFolder) {
  MakeFleet();
  MakeBundle();
  RunWell({"release", "sign", "b", "--key", "release.key"});
  const std::string data = directory_.File("engine");
  {
    const auto objects = ObjectStore::Open(data);
    const auto store = RocksdbStore::Open(data + "/store", RocksdbStore::Mode::kCreate);
    ASSERT_TRUE(store) << store.error().Line();
    const auto bundle = Bundle::Load(directory_.File("b"));
    ASSERT_TRUE(objects && bundle);
    ASSERT_TRUE(bundle->objects().List([&](const Digest& object) {
      return objects->PutFile(bundle->objects().PathOf(object)).has_value();
    }));
    const auto root = ReadFile(directory_.File("root.env"), limits::kRootBytesMax);
    const auto trust = Trust::FromInstalledRoot(*root);
    Registry registry(**store, *objects);
    const Publication publication{
        "detector-v1", bundle->release().metrics, {bundle->release().artifacts[0].envelope}};
    const auto published = registry.Publish(*trust, publication, SystemClock().Wall());
    ASSERT_TRUE(published) << published.error().Line();
  }
  EXPECT_EQ(Run({"release", "list", "--data", "engine", "-o", "name"}).out, "detector-v1\n");
  EXPECT_NE(Run({"release", "show", "detector-v1", "--data", "engine"}).out.find("published"),
            std::string::npos);
  RunWell({"release", "verify", "detector-v1", "--data", "engine", "--root", "root.env"});
  const Finished unknown = Run({"release", "show", "detector-v2", "--data", "engine"});
  EXPECT_EQ(unknown.exit_code, 3);
  EXPECT_EQ(unknown.err, "E_NO_SUCH_VERSION: detector-v2 (nearest: detector-v1)\n");

  const Finished dump = Run({"store", "dump", "engine", "--prefix", "m"});
  EXPECT_EQ(std::count(dump.out.begin(), dump.out.end(), '\n'), 3) << dump.out;
  EXPECT_NE(dump.out.find("meta/schema\t1\n"), std::string::npos) << dump.out;
  EXPECT_EQ(Run({"store", "verify", "engine"}).exit_code, 0);
  const std::string hex = Sha256(AsBytes("images")).Hex();
  std::ofstream(data + "/objects/" + hex.substr(0, 2) + "/" + hex) << "imag?s";
  const Finished damaged = Run({"store", "verify", "engine"});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_NE(damaged.err.find(hex), std::string::npos) << damaged.err;
}

TEST_F(OfflineCommands, ExplainThemselves) {
  const Finished help = Run({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_NE(help.out.find("rollout"), std::string::npos);
  EXPECT_TRUE(Run({"--version"}).out.starts_with("sluice "));
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{},
        {"rollout"},
        {"rollouts", "list"},
        {"key", "generate"},
        {"rollout", "list", "-o", "xml"},
        {"rollout", "status", "r-1", "--timeout", "soon"}}) {
    const Finished finished = Run(wrong);
    EXPECT_EQ(finished.exit_code, 2) << finished.err;
    EXPECT_TRUE(finished.err.starts_with("E_USAGE: ")) << finished.err;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    EXPECT_EQ(finished.out, "");
  }
}

TEST_F(OfflineCommands, NameTheWordThatTheyDoNotKnow) {
  EXPECT_EQ(Run({"rollout", "lst"}).err, "E_USAGE: no command 'lst'; see 'sluice --help'\n");
  EXPECT_EQ(Run({"rollouts"}).err, "E_USAGE: no command 'rollouts'; see 'sluice --help'\n");
  EXPECT_EQ(
      Run({"rollout", "list", "-o", "xml"}).err,
      "E_USAGE: --output: 'xml': allowed json, name, table, wide, yaml; see 'sluice --help'\n");
  EXPECT_EQ(Run({"key", "generate", "-o", "k", "--algorithm", "rsa"}).err,
            "E_USAGE: --algorithm: 'rsa': allowed ecdsa-p256, ed25519; see 'sluice --help'\n");
}

constexpr const char* kLook = R"({"config": {"limits": {"error_rate": 0.001}, "alpha": 0.01,
  "planned_looks": 288, "epochs": 24, "strata": [], "tau": 0.02, "delta": 0.02, "interval_s": 300,
  "grace_looks": 3}, "look": 4, "elapsed_s": 1200, "at_soak_end": false, "state": {"iref": {}},
  "devices": [{"id": "a", "arm": "canary", "stratum": "cam", "since_activation_s": 1200,
  "silence_s": 10, "crashes": 0, "cum": [[10, 0], [10, 0], [0, 0]],
  "epoch": [[10, 0], [10, 0], [0, 0]], "pre": null}]})";

TEST_F(OfflineCommands, RolloutJudgeAnswersARecordedLookWithTheSameBytesEachTime) {
  directory_.Write("look.json", kLook);
  const Finished judged = Run({"rollout", "judge", "look.json"});
  EXPECT_EQ(judged.exit_code, 0) << judged.err;
  EXPECT_EQ(judged.err, "");
  EXPECT_NE(judged.out.find(R"("decision": "CONTINUE")"), std::string::npos) << judged.out;
  EXPECT_NE(judged.out.find(R"("fleet/error_rate/cumulative")"), std::string::npos);
  EXPECT_EQ(Run({"rollout", "judge", "look.json"}).out, judged.out);
  directory_.Write("record.json",
                   "{\"input\": " + std::string(kLook) + ", \"expected\": " + judged.out + "}");
  const Finished checked = Run({"rollout", "judge", "--check", "record.json"});
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
  EXPECT_EQ(checked.out, judged.out);
}

TEST_F(OfflineCommands, RolloutJudgeCheckNamesTheFirstMemberThatDiffers) {
  directory_.Write("record.json", "{\"input\": " + std::string(kLook) +
                                      ", \"expected\": {\"decision\": \"PROMOTE\"}}");
  const Finished differs = Run({"rollout", "judge", "--check", "record.json"});
  EXPECT_EQ(differs.exit_code, 1);
  EXPECT_EQ(differs.err, "E_SNAPSHOT_DIFFERS: decision: expected \"PROMOTE\", not \"CONTINUE\"\n");
  directory_.Write("look.json", kLook);
  const Finished nothing = Run({"rollout", "judge", "--check", "look.json"});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_TRUE(nothing.err.starts_with("E_SNAPSHOT_INVALID: expected: ")) << nothing.err;
}

TEST_F(OfflineCommands, RolloutJudgeRefusesABadFileWithItsPath) {
  std::string bad = kLook;
  bad.replace(bad.find("[10, 0]"), 7, "[10,11]");
  directory_.Write("look.json", bad);
  const Finished refused = Run({"rollout", "judge", "look.json"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(refused.err, "E_SNAPSHOT_INVALID: devices[0].cum[0]: y must not be above n\n");
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(Run({"rollout", "judge", "nowhere.json"}).exit_code, 2);
}

TEST_F(OfflineCommands, NameTheFileThatIsWrongOrMissing) {
  MakeFleet();
  MakeBundle();
  const Finished no_key = Run({"release", "sign", "b", "--key", "none.key"});
  EXPECT_EQ(no_key.exit_code, 3);
  EXPECT_EQ(no_key.err, "E_NOT_FOUND: none.key: no such file\n");
  const Finished no_root = Run({"release", "verify", "b", "--root", "model.bin"});
  EXPECT_TRUE(no_root.err.starts_with("E_ENV_FORMAT: model.bin: ")) << no_root.err;
  EXPECT_TRUE(Run({"root", "show", "model.bin"}).err.starts_with("E_ENV_FORMAT: model.bin: "));
  directory_.Write("long.yaml", std::string(2 << 20, '#'));
  const Finished too_long = Run({"rollout", "create", "-f", "long.yaml"});
  EXPECT_EQ(too_long.exit_code, 2);
  EXPECT_TRUE(too_long.err.starts_with("E_YAML_LIMIT: long.yaml: ")) << too_long.err;
}

constexpr const char* kRules = R"(rules_version: 1
rules:
  - name: stop
    on: { topic: "plant/+line/status" }
    when: payload.state == "STOPPED"
    for: 30s
    once_per: { key: "${line}", every: 10m }
    do:
      - rollout.pause: { model: "${payload.model}" }
      - publish: { topic: "site/${line}", payload: { line: "${line}" } }
  - name: watch
    on: { topic: "plant/#" }
    mode: dry_run
    do: [ { log: "heard" } ]
)";

TEST_F(OfflineCommands, RulesCheckSaysWhatAFileHoldsOrWhereItIsWrong) {
  directory_.Write("rules.yaml", kRules);
  const Finished good = Run({"rules", "check", "rules.yaml"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_EQ(good.out, "rules.yaml: 2 rules on 2 filters\n");
  directory_.Write("bad.yaml",
                   "rules_version: 1\nrules:\n  - name: r\n    on: { topic: a }\n"
                   "    when: payload.a = 1\n    do: [ { log: x } ]\n");
  const Finished bad = Run({"rules", "check", "bad.yaml"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_EQ(bad.err,
            "E_RULE_EXPR: bad.yaml: rules[0].when, line 5: column 11: '=' assigns nothing here; "
            "write ==\n");
  directory_.Write("unsafe.yaml",
                   "rules_version: 1\nrules:\n  - name: r\n    on: { topic: a }\n"
                   "    do: [ { rollout.start: { rollout: r } } ]\n");
  EXPECT_EQ(Run({"rules", "check", "unsafe.yaml"}).exit_code, 4);
  EXPECT_EQ(Run({"rules", "check", "nowhere.yaml"}).exit_code, 3);
}

TEST_F(OfflineCommands, RulesTestShowsMatchValuesAndIntendedActions) {
  directory_.Write("rules.yaml", kRules);
  const Finished acts = Run({"rules", "test", "rules.yaml", "--topic", "plant/7/status",
                             "--message", R"({"state":"STOPPED","model":"detector"})"});
  EXPECT_EQ(acts.exit_code, 0) << acts.err;
  EXPECT_EQ(acts.out,
            "stop (line 3): acts\n"
            "  topic   plant/+line/status\n"
            "          line = 7\n"
            "  when    payload.state == \"STOPPED\"\n"
            "          payload.state = \"STOPPED\"\n"
            "  holds   yes\n"
            "  for     30 s, if it stays so\n"
            "  once    every 600 s for \"7\"\n"
            "  do      rollout.pause model detector\n"
            "  do      publish site/7 {\"line\":\"7\"}\n"
            "watch (line 11): dry run\n"
            "  topic   plant/#\n"
            "  do      log heard\n");
  const Finished as_json = Run({"rules", "test", "rules.yaml", "--topic", "plant/7/status",
                                "--message", R"({"state":"UP"})", "-o", "json"});
  EXPECT_EQ(as_json.exit_code, 0) << as_json.err;
  EXPECT_NE(as_json.out.find("\"verdict\": \"no\""), std::string::npos) << as_json.out;
  EXPECT_EQ(Run({"rules", "test", "rules.yaml", "--topic", "other", "--message", "{}"}).out,
            "no rule listens to other\n");
}

TEST_F(OfflineCommands, RulesTestFailsWhenARuleWantsToActAndCannotOrNeverHearsTheMessage) {
  directory_.Write("rules.yaml", kRules);
  const Finished cannot = Run({"rules", "test", "rules.yaml", "--topic", "plant/7/status",
                               "--message", R"({"state":"STOPPED"})"});
  EXPECT_EQ(cannot.exit_code, 1);
  EXPECT_NE(cannot.err.find("E_RULE_VALUE: rule stop: payload.model is missing"), std::string::npos)
      << cannot.err;
  const Finished retained = Run({"rules", "test", "rules.yaml", "--topic", "plant/7/status",
                                 "--message", "{}", "--retained"});
  EXPECT_EQ(retained.exit_code, 4);
}

}  // namespace
}  // namespace sluice
