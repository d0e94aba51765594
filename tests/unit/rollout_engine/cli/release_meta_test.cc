#include "rollout_engine/cli/release_meta.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ReleaseMeta, ReadsEveryKey) {
  const auto meta = ParseReleaseMeta(R"(
model: detector
fleet: plant-7
format: safetensors
runtime_abi: sim-1
min_agent: "1.2.0"
security_epoch: 3
floor_epoch: 2
hardware: [edge-a, edge-b]
metrics: {accuracy: 0.97, f1: -1.5e-3}
validation: {file: val.bin, accuracy_tolerance: 0.02}
limits: {error_rate_max: 0.01, latency_p99_max_ms: 50, accuracy_drop_max: 0.05}
expires_days: 1.5
)");
  ASSERT_TRUE(meta) << meta.error().Line();
  const ReleaseDraft& draft = meta->draft;
  EXPECT_EQ(draft.model, "detector");
  EXPECT_EQ(draft.fleet_id, "plant-7");
  EXPECT_EQ(draft.min_agent, "1.2.0");
  EXPECT_EQ(draft.security_epoch, 3u);
  EXPECT_EQ(draft.floor_epoch, 2u);
  EXPECT_EQ(draft.metrics, (Metrics{{"accuracy", 0.97}, {"f1", -0.0015}}));
  EXPECT_EQ(draft.validation_path, "val.bin");
  EXPECT_EQ(draft.accuracy_tolerance, 0.02);
  EXPECT_EQ(draft.limits, (HealthLimits{0.01, 50, 0.05}));
  EXPECT_EQ(meta->life_ms, 36 * limits::kHour);
  ASSERT_EQ(draft.artifacts.size(), 1u);
  EXPECT_EQ(draft.artifacts[0].path, "");
  EXPECT_EQ(draft.artifacts[0].format, "safetensors");
  EXPECT_EQ(draft.artifacts[0].runtime_abi, "sim-1");
  EXPECT_EQ(draft.artifacts[0].hardware, (std::vector<std::string>{"edge-a", "edge-b"}));
}

TEST(ReleaseMeta, NeedsNothing) {
  const auto meta = ParseReleaseMeta("hardware: [edge-a]");
  ASSERT_TRUE(meta) << meta.error().Line();
  EXPECT_EQ(meta->life_ms, 180 * limits::kDay);
  EXPECT_EQ(meta->draft.validation_path, "");
  EXPECT_EQ(meta->draft.limits, HealthLimits{});
}

TEST(ReleaseMeta, GivesEachArtifactWhatItDoesNotSayItself) {
  const auto meta = ParseReleaseMeta(R"(
format: onnx
hardware: [edge]
artifacts:
  - {file: small.onnx}
  - {file: big.pt, hardware: [server], format: torch, accuracy: 0.99}
)");
  ASSERT_TRUE(meta) << meta.error().Line();
  const auto& artifacts = meta->draft.artifacts;
  ASSERT_EQ(artifacts.size(), 2u);
  EXPECT_EQ(artifacts[0].path, "small.onnx");
  EXPECT_EQ(artifacts[0].format, "onnx");
  EXPECT_EQ(artifacts[0].hardware, std::vector<std::string>{"edge"});
  EXPECT_EQ(artifacts[0].accuracy, std::nullopt);
  EXPECT_EQ(artifacts[1].format, "torch");
  EXPECT_EQ(artifacts[1].hardware, std::vector<std::string>{"server"});
  EXPECT_EQ(artifacts[1].accuracy, 0.99);
}

TEST(ReleaseMeta, RefusesEachMistakeWithItsCodeAndLine) {
  const struct {
    std::string yaml;
    ErrorCode code;
  } rows[] = {
      {"modell: a", ErrorCode::kYamlUnknownKey},
      {"limits: {error_rate: 1}", ErrorCode::kYamlUnknownKey},
      {"validation: {path: x}", ErrorCode::kYamlUnknownKey},
      {"artifacts: [{path: x}]", ErrorCode::kYamlUnknownKey},
      {"model: a\nmodel: b", ErrorCode::kYamlDuplicate},
      {"metrics: {accuracy: 1, accuracy: 2}", ErrorCode::kYamlDuplicate},
      {"hardware: &a [x]\nmodel: *a", ErrorCode::kYamlAlias},
      {"[a, b]", ErrorCode::kYamlType},
      {"hardware: edge-a", ErrorCode::kYamlType},
      {"hardware: [[a]]", ErrorCode::kYamlType},
      {"metrics: [1]", ErrorCode::kYamlType},
      {"metrics: {accuracy: high}", ErrorCode::kYamlType},
      {"metrics: {accuracy: .nan}", ErrorCode::kYamlType},
      {"metrics: {accuracy: \"0.9\"}", ErrorCode::kYamlType},
      {"artifacts: []", ErrorCode::kYamlType},
      {"model: a b", ErrorCode::kBadId},
      {"validation: {accuracy_tolerance: 0.1}", ErrorCode::kCfgIncomplete},
      {"artifacts: [{hardware: [a]}]", ErrorCode::kCfgIncomplete},
      {"limits: {error_rate_max: 1.5}", ErrorCode::kCfgRange},
      {"limits: {latency_p99_max_ms: -1}", ErrorCode::kCfgRange},
      {"expires_days: 0", ErrorCode::kCfgRange},
      {"security_epoch: 1.5", ErrorCode::kCfgRange},
      {"security_epoch: 5000000000", ErrorCode::kCfgRange},
      {"model: a\n\tfleet: b", ErrorCode::kYamlSyntax},
      {std::string(70'000, '#'), ErrorCode::kYamlLimit},
  };
  for (const auto& row : rows) {
    const auto meta = ParseReleaseMeta(row.yaml);
    ASSERT_FALSE(meta) << row.yaml;
    EXPECT_EQ(meta.error().code, row.code) << row.yaml << "\n" << meta.error().Line();
  }
}

}  // namespace
}  // namespace sluice
