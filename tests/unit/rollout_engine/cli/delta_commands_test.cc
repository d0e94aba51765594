// `sluice delta make | apply | info | snap`, as a user runs them: files in, files out.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/crypto/digest.h"
#include "common/payload/container.h"
#include "rollout_engine/cli/delta_apply.h"
#include "rollout_engine/cli/delta_info.h"
#include "rollout_engine/cli/snap_record.h"
#include "rollout_engine/payload/encoder.h"
#include "rollout_engine/registry/file_io.h"
#include "tests/support/sample_model_files.h"
#include "tests/support/sample_models.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/rollout_engine/cli/sluice_program.h"

namespace sluice {
namespace {

constexpr std::uint64_t kFileMax = 16 << 20;

class DeltaCommands : public testing::Test {
 protected:
  DeltaCommands() {
    Write("old", base_);
    Write("new", artifact_);
  }
  Finished Run(const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {"delta"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return RunProgram(directory_.path().string(), all);
  }
  Finished RunWell(const std::vector<std::string>& arguments) {
    Finished finished = Run(arguments);
    EXPECT_EQ(finished.exit_code, 0) << arguments[0] << ": " << finished.err;
    return finished;
  }
  void Write(const std::string& name, ByteView bytes) {
    directory_.Write(name, std::string(AsText(bytes)));
  }
  Bytes Read(const std::string& name) { return ReadFile(directory_.File(name), kFileMax).value(); }
  bool Exists(const std::string& name) { return std::filesystem::exists(directory_.File(name)); }

  const Bytes base_ = SafetensorsFile({{"w", "F32", WeightBytes(1, 80'000)}});
  const Bytes artifact_ =
      SafetensorsFile({{"w", "F32", WithMovedWeights(WeightBytes(1, 80'000), 2, 0.5, 1e-3)}});
  test_support::TemporaryDirectory directory_;
};

TEST_F(DeltaCommands, MakeAndApplyADeltaInEveryClassAndCodec) {
  for (const char* memory_class : {"S", "M", "L"}) {
    for (const char* codec : {"auto", "librsync", "raw"}) {
      SCOPED_TRACE(std::string(memory_class) + " " + codec);
      RunWell({"make", "old", "new", "-o", "p", "--class", memory_class, "--codec", codec});
      const Bytes payload = Read("p");
      RunWell({"make", "old", "new", "-o", "p", "--class", memory_class, "--codec", codec});
      EXPECT_EQ(Read("p"), payload) << "the same files give the same payload";
      RunWell({"apply", "old", "p", "-o", "out"});
      EXPECT_EQ(Read("out"), artifact_);
    }
  }
  EXPECT_FALSE(Exists("out.part"));
  EXPECT_FALSE(Exists("out.journal"));
}

TEST_F(DeltaCommands, MakeAFullPayloadWhenOldIsADash) {
  RunWell({"make", "-", "new", "-o", "p", "--codec", "zstd"});
  EXPECT_LT(Read("p").size(), artifact_.size());
  RunWell({"apply", "-", "p", "-o", "out"});
  EXPECT_EQ(Read("out"), artifact_);
}

TEST_F(DeltaCommands, RefuseAnotherBaseAnotherHeadAndADamagedPayload) {
  const Finished made = RunWell({"make", "old", "new", "-o", "p"});
  const std::string head_digest = made.out.substr(made.out.find_last_of(' ') + 1, 64);
  const auto fails_with = [this](const std::vector<std::string>& arguments, const char* code) {
    const Finished failed = Run(arguments);
    EXPECT_EQ(failed.exit_code, 1);
    EXPECT_TRUE(failed.err.starts_with(code)) << failed.err;
    EXPECT_FALSE(Exists("out"));
  };
  fails_with({"apply", "new", "p", "-o", "out"}, "E_DELTA_BASE: ");
  fails_with({"apply", "-", "p", "-o", "out"}, "E_DELTA_BASE: ");
  fails_with({"apply", "old", "p", "-o", "out", "--head-digest", std::string(64, '0')},
             "E_PAYLOAD_HEAD: ");
  Bytes damaged = Read("p");
  damaged.back() ^= 1;
  Write("damaged", damaged);
  fails_with({"apply", "old", "damaged", "-o", "out"}, "E_BLOCK_HASH: ");
  damaged.pop_back();
  Write("damaged", damaged);
  fails_with({"apply", "old", "damaged", "-o", "out"}, "E_PAYLOAD_HEAD: ");
  Write("damaged", ByteView(damaged).first(50));
  fails_with({"apply", "old", "damaged", "-o", "out"}, "E_PAYLOAD_HEAD: ");
  RunWell({"apply", "old", "p", "-o", "out", "--head-digest", head_digest});
  EXPECT_EQ(Read("out"), artifact_);
}

// A run that finds block k damaged stops as one that is killed there: blocks before it are done.
TEST_F(DeltaCommands, GoOnWhereAnEarlierRunStoppedAtAnyBlock) {
  for (const MemoryClass memory_class : {MemoryClass::kS, MemoryClass::kL}) {
    const auto payload = EncodePayload(base_, artifact_, {memory_class});
    ASSERT_TRUE(payload);
    Write("p", payload->bytes);
    for (std::size_t block = 0; block < payload->head.rows.size(); ++block) {
      SCOPED_TRACE(block);
      Bytes damaged = payload->bytes;
      damaged[payload->head.BlockOffset(block)] ^= 1;
      Write("damaged", damaged);
      const ApplyPaths paths{directory_.File("old"), directory_.File("damaged"),
                             directory_.File("out")};
      EXPECT_EQ(ApplyToFile(paths, std::nullopt).error().code, ErrorCode::kBlockHash);
      EXPECT_FALSE(Exists("out"));
      const auto applied = ApplyToFile({paths.base, directory_.File("p"), paths.out}, std::nullopt);
      ASSERT_TRUE(applied) << applied.error().Line();
      EXPECT_EQ(applied->blocks_resumed, block);
      EXPECT_EQ(Read("out"), artifact_);
      EXPECT_FALSE(Exists("out.journal"));
      std::filesystem::remove(paths.out);
    }
  }
}

TEST_F(DeltaCommands, LoseAtMostTheBlockThatWasBeingWritten) {
  const auto payload = EncodePayload(base_, artifact_, {MemoryClass::kL});
  ASSERT_TRUE(payload);
  Write("p", payload->bytes);
  Bytes damaged = payload->bytes;
  damaged[payload->head.BlockOffset(3)] ^= 1;
  Write("damaged", damaged);
  const ApplyPaths paths{directory_.File("old"), directory_.File("p"), directory_.File("out")};
  const auto stop_at_3 = [&] {
    EXPECT_FALSE(ApplyToFile({paths.base, directory_.File("damaged"), paths.out}, std::nullopt));
  };
  const auto blocks_resumed = [&] {
    const auto applied = ApplyToFile(paths, std::nullopt);
    EXPECT_TRUE(applied) << applied.error().Line();
    EXPECT_EQ(Read("out"), artifact_);
    return applied->blocks_resumed;
  };
  stop_at_3();
  Bytes part = Read("out.part");
  Append(part, ByteView(artifact_).subspan(part.size(), 1'000));  // a part of block 3
  Write("out.part", part);
  EXPECT_EQ(blocks_resumed(), 3u);

  stop_at_3();
  Bytes journal = Read("out.journal");
  journal.resize(journal.size() - 3);  // block 2 is there, its row is torn
  Write("out.journal", journal);
  EXPECT_EQ(blocks_resumed(), 2u);

  stop_at_3();
  part = Read("out.part");
  part[70'000] ^= 1;  // the power went before block 1 reached the disk
  Write("out.part", part);
  EXPECT_EQ(blocks_resumed(), 1u);

  stop_at_3();
  journal = Read("out.journal");
  journal[0] ^= 1;  // the work of another payload
  Write("out.journal", journal);
  EXPECT_EQ(blocks_resumed(), 0u);
}

TEST_F(DeltaCommands, TellWhatIsInAPayload) {
  const Finished made = RunWell({"make", "old", "new", "-o", "p"});
  const Bytes payload = Read("p");
  const auto info = nlohmann::json::parse(RunWell({"info", "p", "-o", "json"}).out);
  EXPECT_EQ(info.at("kind"), "delta");
  EXPECT_EQ(info.at("class"), "L");
  EXPECT_EQ(info.at("out_sha256"), Sha256(artifact_).Hex());
  EXPECT_EQ(info.at("out_size"), artifact_.size());
  EXPECT_EQ(info.at("base_sha256"), Sha256(base_).Hex());
  EXPECT_EQ(info.at("base_size"), base_.size());
  EXPECT_EQ(info.at("payload_sha256"), Sha256(payload).Hex());
  EXPECT_EQ(info.at("payload_bytes"), payload.size());
  const std::uint64_t head_size = info.at("head_size");
  EXPECT_EQ(info.at("head_digest"), Sha256(ByteView(payload).first(head_size)).Hex());
  std::uint64_t blocks = 0;
  std::uint64_t in_bytes = 0;
  std::uint64_t out_bytes = 0;
  for (const auto& codec : info.at("codecs")) {
    blocks += codec.at("blocks").get<std::uint64_t>();
    in_bytes += codec.at("in_bytes").get<std::uint64_t>();
    out_bytes += codec.at("out_bytes").get<std::uint64_t>();
  }
  EXPECT_EQ(blocks, info.at("blocks"));
  EXPECT_EQ(blocks, (artifact_.size() + 65'535) / 65'536);
  EXPECT_EQ(head_size + in_bytes, payload.size());
  EXPECT_EQ(out_bytes, artifact_.size());
  EXPECT_EQ(info.at("predicted_bytes").at("4096"),
            PredictedBytes(payload.size(), artifact_.size(), 4'096));
  EXPECT_GT(info.at("predicted_bytes").at("4096"), info.at("predicted_bytes").at("16320"));
  EXPECT_TRUE(RunWell({"info", "p"}).out.starts_with("delta, class L, "));

  RunWell({"make", "-", "new", "-o", "p"});
  const auto full = nlohmann::json::parse(RunWell({"info", "p", "-o", "json"}).out);
  EXPECT_EQ(full.at("kind"), "full");
  EXPECT_FALSE(full.contains("base_sha256"));
}

TEST_F(DeltaCommands, TellNothingOfAPayloadThatIsCutOff) {
  RunWell({"make", "old", "new", "-o", "p"});
  const Bytes payload = Read("p");
  Write("p", ByteView(payload).first(payload.size() - 1));
  const Finished finished = Run({"info", "p"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_EQ(finished.out, "");
  EXPECT_TRUE(finished.err.starts_with("E_PAYLOAD_HEAD: ")) << finished.err;
}

TEST_F(DeltaCommands, NeverWriteOverWhatTheyRead) {
  RunWell({"make", "old", "new", "-o", "p"});
  const Bytes payload = Read("p");
  const std::vector<std::vector<std::string>> commands = {{"make", "old", "new", "-o", "new"},
                                                          {"make", "old", "new", "-o", "./old"},
                                                          {"apply", "old", "p", "-o", "old"},
                                                          {"apply", "old", "p", "-o", "p"},
                                                          {"snap", "old", "new", "-o", "old"}};
  for (const auto& command : commands) {
    const Finished finished = Run(command);
    EXPECT_EQ(finished.exit_code, 2) << command[0];
    EXPECT_TRUE(finished.err.starts_with("E_USAGE: -o ")) << finished.err;
  }
  EXPECT_EQ(Read("old"), base_);
  EXPECT_EQ(Read("new"), artifact_);
  EXPECT_EQ(Read("p"), payload);
}

TEST(PredictedBytes, AreThePayloadTheHashListAndTheirTransport) {
  EXPECT_EQ(PredictedBytes(100'000, 65'537, 4'096), 111'571u);  // 100,064 x 1.115
  EXPECT_EQ(PredictedBytes(100'000, 65'537, 16'320), 106'468u);
}

TEST_F(DeltaCommands, SnapAModelAndSayThatItMustBeEvaluated) {
  const Finished snapped = RunWell({"snap", "old", "new", "-o", "snapped", "--step", "0.5"});
  EXPECT_NE(snapped.err.find("evaluate it"), std::string::npos) << snapped.err;
  EXPECT_TRUE(snapped.out.starts_with("TENSOR  ELEMENTS  SIGMA")) << snapped.out;
  EXPECT_NE(snapped.out.find("\nw "), std::string::npos) << snapped.out;
  EXPECT_NE(Read("snapped"), artifact_);
  const Bytes text = Read("snapped.snap.json");
  const auto record = ParseSnapRecord(AsText(text));
  ASSERT_TRUE(record) << record.error().Line();
  EXPECT_EQ(record->base, Sha256(base_));
  EXPECT_EQ(record->original, Sha256(artifact_));
  EXPECT_EQ(record->snapped, Sha256(Read("snapped")));
  ASSERT_EQ(record->tensors.size(), 1u);
  EXPECT_GT(record->tensors[0].step, 0);
  EXPECT_EQ(SnapRecordToJson(*record), AsText(text));

  RunWell({"make", "old", "snapped", "-o", "p", "--snap", "snapped.snap.json"});
  RunWell({"apply", "old", "p", "-o", "out"});
  EXPECT_EQ(Read("out"), Read("snapped"));
  const Finished other = Run({"make", "old", "new", "-o", "p", "--snap", "snapped.snap.json"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_TRUE(other.err.starts_with("E_USAGE: ")) << other.err;
}

TEST_F(DeltaCommands, SnapNothingThatIsNoModel) {
  Write("noise", NoiseBytes(1, 1'000));
  const Finished failed = Run({"snap", "old", "noise", "-o", "snapped"});
  EXPECT_NE(failed.exit_code, 0);
  EXPECT_TRUE(failed.err.starts_with("E_NOT_FOUND: ")) << failed.err;
  EXPECT_FALSE(Exists("snapped"));
  EXPECT_TRUE(
      Run({"snap", "old", "new", "-o", "s", "--step", "99"}).err.starts_with("E_CFG_RANGE: "));
}

// What a reader would type, in the order of the page.
TEST_F(DeltaCommands, RunAsTheDocumentationWritesThem) {
  Write("v1.safetensors", base_);
  Write("v2.safetensors", artifact_);
  std::ifstream page(SLUICE_SOURCE_DIR "/docs/deltas.md");
  std::size_t commands = 0;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("    sluice delta ")) continue;
    std::istringstream words(line);
    const std::vector<std::string> argv{std::istream_iterator<std::string>(words), {}};
    RunWell({argv.begin() + 2, argv.end()});
    ++commands;
  }
  EXPECT_EQ(commands, 6u);
  EXPECT_EQ(Read("rebuilt.safetensors"), artifact_);
}

TEST(SnapRecord, RefusesWhatIsNone) {
  EXPECT_FALSE(ParseSnapRecord(""));
  EXPECT_FALSE(ParseSnapRecord("{}"));
  EXPECT_FALSE(ParseSnapRecord(R"({"version": 1})"));
  SnapRecord record;
  record.tensors.emplace_back();
  record.tensors[0].tensor.kind = ElementKind::kF32;
  record.tensors[0].step = 0.25f;
  std::string text = SnapRecordToJson(record);
  EXPECT_TRUE(ParseSnapRecord(text));
  text.replace(text.find("\"f32\""), 5, "\"i32\"");
  EXPECT_FALSE(ParseSnapRecord(text)) << "integers are not snapped";
  record.tensors[0].step = 0.1f;  // 24 significant bits
  EXPECT_FALSE(ParseSnapRecord(SnapRecordToJson(record)));
}

}  // namespace
}  // namespace sluice
