#include "device_sdk/agent/model_host.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/support/temporary_directory.h"
#include "tests/unit/device_sdk/agent/scripted_runner.h"

namespace sluice::device {
namespace {

class ModelHostTest : public testing::Test {
 protected:
  VerifiedModel Model(std::uint8_t kind, std::uint64_t seed = 1) const {
    const Bytes bytes = ModelBytes(kind, 100, seed);
    VerifiedModel model;
    model.fd =
        UniqueFd(open(directory_.Write("model", AsText(bytes)).c_str(), O_RDONLY | O_CLOEXEC));
    model.size_bytes = bytes.size();
    model.sha256 = Sha256(bytes);
    return model;
  }
  test_support::TemporaryDirectory directory_;
  ScriptedRunner runner_;
  InProcessModelHost host_{runner_};
};

TEST_F(ModelHostTest, ServesWhatLoads) {
  const VerifiedModel model = Model(kGoodModel);
  ASSERT_TRUE(host_.Serve(Model(kGoodModel)));
  EXPECT_EQ(runner_.serving, model.sha256);
  const Status deaf = host_.Serve(Model(kDeafModel));
  ASSERT_FALSE(deaf);
  EXPECT_EQ(deaf.error().code, ErrorCode::kLoad);
  EXPECT_EQ(runner_.serving, model.sha256) << "the former one still serves";
  host_.ServeNothing();
  EXPECT_TRUE(runner_.serving.IsZero());
}

TEST_F(ModelHostTest, ValidatesBothOnTheSameSet) {
  host_.BeginValidation({Model(kGoodModel, 1), Model(kPoorModel, 2), Bytes{1, 2, 3}, 0});
  const auto reply = host_.PollValidation();
  ASSERT_TRUE(reply && reply->base && reply->candidate);
  EXPECT_EQ(reply->base->n, 100u);
  EXPECT_EQ(reply->candidate->scores[0], 0);
  EXPECT_FALSE(host_.PollValidation()) << "a reply is given once";
}

TEST_F(ModelHostTest, OnlyLoadsWithoutASet) {
  host_.BeginValidation({std::nullopt, Model(kGoodModel), std::nullopt, 0});
  const auto reply = host_.PollValidation();
  ASSERT_TRUE(reply && reply->candidate);
  EXPECT_EQ(reply->candidate->n, 0u);
  EXPECT_EQ(runner_.loaded.size(), 1u);
}

class ThrowingRunner final : public sdk::ModelRunner {
 public:
  sdk::Status Load(const sdk::ModelFile&, std::unique_ptr<sdk::Model>&) override {
    throw std::runtime_error("boom");
  }
  sdk::Status Validate(sdk::Model&, const sdk::ValidationSet&, std::chrono::microseconds,
                       sdk::ValidationResult&) override {
    throw 5;
  }
  sdk::Status Activate(std::unique_ptr<sdk::Model>) override { throw std::runtime_error("boom"); }
  sdk::Status Health() override { throw std::runtime_error("boom"); }
};

TEST_F(ModelHostTest, TakesAnExceptionOfTheApplicationForAFailure) {
  ThrowingRunner throwing;
  InProcessModelHost host(throwing);
  EXPECT_EQ(host.Serve(Model(kGoodModel)).error().code, ErrorCode::kLoad);
  EXPECT_EQ(host.Health().error().code, ErrorCode::kHealth);
  host.ServeNothing();
  host.BeginValidation({std::nullopt, Model(kGoodModel), Bytes{1}, 0});
  EXPECT_FALSE(host.PollValidation()->candidate);
}

TEST_F(ModelHostTest, LetsTheRunnerTryAModelThatHasNoSet) {
  runner_.validate = {"E_LOAD", "needs another runtime"};
  host_.BeginValidation({std::nullopt, Model(kGoodModel), std::nullopt, 0});
  EXPECT_EQ(host_.PollValidation()->candidate.error().code, ErrorCode::kLoad);
  EXPECT_EQ(runner_.set_size_bytes, 0u);
}

TEST_F(ModelHostTest, KeepsAKnownCodeOfTheRunnerAndReplacesOthers) {
  runner_.activate = {"E_HOOK_UNAVAILABLE", "later"};
  EXPECT_EQ(host_.Serve(Model(kGoodModel)).error().code, ErrorCode::kHookUnavailable);
  runner_.activate = {"MY_OWN_CODE", "later"};
  EXPECT_EQ(host_.Serve(Model(kGoodModel)).error().code, ErrorCode::kLoad);
}

}  // namespace
}  // namespace sluice::device
