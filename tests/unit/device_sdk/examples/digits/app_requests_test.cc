#include "device_sdk/examples/digits/app_requests.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "common/crypto/digest.h"
#include "tests/support/temporary_directory.h"

namespace sluice::digits {
namespace {

using nlohmann::json;

class AppRequests : public ::testing::Test {
 protected:
  UniqueFd Open(ByteView bytes) {
    const std::string path = directory_.Write("model", AsText(bytes));
    return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  json Activate(ByteView bytes, std::chrono::microseconds latency_limit = {}) {
    return json::parse(AnswerRequest(app_, {ActivateRequest(latency_limit), Open(bytes)}));
  }
  json Health() { return json::parse(AnswerRequest(app_, {HealthRequest(), UniqueFd()})); }

  test_support::TemporaryDirectory directory_;
  ServingModel app_;
};

Bytes ModelThatSays(std::size_t digit) {
  Mlp mlp;
  mlp.output.biases[digit] = 1.0F;
  return WriteSafetensors(ToTensors(mlp));
}

TEST_F(AppRequests, ActivateAnswersWithTheHashOfTheBytesThatServe) {
  const Bytes model = ModelThatSays(3);
  EXPECT_EQ(Activate(model)["loaded_sha256"], Sha256(model).Hex());
  EXPECT_EQ(Health()["loaded_sha256"], Sha256(model).Hex());
}

TEST_F(AppRequests, HealthCountsSinceTheActivation) {
  EXPECT_EQ(Health()["loaded_sha256"], "");
  app_.Infer({.pixels = {}, .label = 3});
  EXPECT_EQ(Health()["inferences"], 0) << "without a model nothing is inferred";
  Activate(ModelThatSays(3));
  app_.Infer({.pixels = {}, .label = 3});
  app_.Infer({.pixels = {}, .label = 4});
  const json health = Health();
  EXPECT_EQ(health["inferences"], 2);
  EXPECT_EQ(health["labelled"], 2);
  EXPECT_EQ(health["score_sum"], 1.0);
  EXPECT_EQ(health["errors"], 0);
  EXPECT_EQ(health["over_latency"], 0);
  EXPECT_GT(health["rss_kb"], 0);
  Activate(ModelThatSays(4));
  EXPECT_EQ(Health()["inferences"], 0);
}

TEST_F(AppRequests, ScoresWithoutNumbersAreErrorsWithoutALabel) {
  Mlp poisoned;
  poisoned.output.biases[0] = std::nanf("");
  Activate(WriteSafetensors(ToTensors(poisoned)));
  app_.Infer({});
  const json health = Health();
  EXPECT_EQ(health["errors"], 1);
  EXPECT_EQ(health["labelled"], 0);
}

TEST_F(AppRequests, ABadModelLeavesTheFormerOneServing) {
  const Bytes good = ModelThatSays(3);
  Activate(good);
  EXPECT_EQ(Activate(AsBytes("no model"))["error"], "E_LOAD");
  EXPECT_EQ(Health()["loaded_sha256"], Sha256(good).Hex());
}

TEST_F(AppRequests, MalformedOnesAreAnsweredWithAnErrorThatBlamesNoModel) {
  for (const char* text : {"", "[]", "{}", R"({"verb":7})", R"({"verb":"stop"})",
                           R"({"verb":"activate"})", R"({"verb":"activate","latency_us_max":-1})",
                           R"({"verb":"activate","latency_us_max":0})"}) {
    const std::string answer = AnswerRequest(app_, {text, UniqueFd()});
    EXPECT_EQ(KindOf(answer), AnswerKind::kCannotTell) << text;
  }
}

TEST(AppSocket, CarriesTextAndADescriptorToTheListener) {
  const test_support::TemporaryDirectory directory;
  const std::string path = directory.File("app.sock");
  const auto listener = ListenAt(path);
  ASSERT_TRUE(listener.has_value()) << listener.error().Line();
  const auto client = ConnectTo(path);
  ASSERT_TRUE(client.has_value()) << client.error().Line();
  const UniqueFd file(open(directory.Write("f", "inside").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(SendPacket(client->get(), "hello", file.get()).has_value());

  const auto server = AcceptFrom(listener->get());
  ASSERT_TRUE(server.has_value());
  const auto packet = ReceivePacket(server->get());
  ASSERT_TRUE(packet.has_value()) << packet.error().Line();
  EXPECT_EQ(packet->text, "hello");
  char content[8] = {};
  EXPECT_EQ(pread(packet->fd.get(), content, sizeof content, 0), 6);
  EXPECT_STREQ(content, "inside");

  ASSERT_TRUE(SendPacket(server->get(), "answer", -1).has_value());
  const auto answer = ReceivePacket(client->get());
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->text, "answer");
  EXPECT_LT(answer->fd.get(), 0);
}

TEST(AppSocket, SaysWhenNobodyListensOrTheOtherSideHungUp) {
  const test_support::TemporaryDirectory directory;
  const std::string path = directory.File("app.sock");
  EXPECT_EQ(ConnectTo(path).error().code, ErrorCode::kNotConnected);
  EXPECT_EQ(ConnectTo(std::string(200, 'x')).error().code, ErrorCode::kUsage);
  const auto listener = ListenAt(path);
  ASSERT_TRUE(listener.has_value());
  auto client = ConnectTo(path);
  ASSERT_TRUE(client.has_value());
  const auto server = AcceptFrom(listener->get());
  ASSERT_TRUE(server.has_value());
  client->Close();
  EXPECT_EQ(ReceivePacket(server->get()).error().code, ErrorCode::kIo);
}

TEST(AppSocket, RefusesAPacketOver4KiB) {
  const test_support::TemporaryDirectory directory;
  const auto listener = ListenAt(directory.File("app.sock"));
  const auto client = ConnectTo(directory.File("app.sock"));
  const auto server = AcceptFrom(listener->get());
  ASSERT_TRUE(SendPacket(client->get(), std::string(4'097, 'x'), -1).has_value());
  EXPECT_EQ(ReceivePacket(server->get()).error().code, ErrorCode::kIo);
}

TEST(AppSocket, TakesOverASocketThatWasLeftBehindButNoOtherFile) {
  const test_support::TemporaryDirectory directory;
  const std::string path = directory.File("app.sock");
  ASSERT_TRUE(ListenAt(path).has_value());
  EXPECT_TRUE(ListenAt(path).has_value());
  const std::string file = directory.Write("precious", "content");
  EXPECT_EQ(ListenAt(file).error().code, ErrorCode::kIo);
  EXPECT_EQ(std::filesystem::file_size(file), 7U);
}

}  // namespace
}  // namespace sluice::digits
