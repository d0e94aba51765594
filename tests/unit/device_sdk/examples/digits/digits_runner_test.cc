#include "device_sdk/examples/digits/digits_runner.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "device_sdk/agent/unique_fd.h"
#include "device_sdk/examples/digits/trainer.h"
#include "tests/support/temporary_directory.h"

namespace sluice::digits {
namespace {

using device::UniqueFd;

/// A network that always says `digit`.
Mlp AlwaysSays(std::size_t digit) {
  Mlp mlp;
  mlp.output.biases[digit] = 1.0F;
  return mlp;
}

sdk::ModelFile FileBehind(int fd) {
  sdk::ModelFile file;
  file.fd = fd;
  return file;
}

class DigitsRunnerTest : public ::testing::Test {
 protected:
  UniqueFd Open(ByteView bytes) {
    const std::string path = directory_.Write("file", AsText(bytes));
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_GE(fd.get(), 0);
    return fd;
  }
  std::unique_ptr<sdk::Model> Load(const Mlp& mlp) {
    const UniqueFd fd = Open(WriteSafetensors(ToTensors(mlp)));
    lseek(fd.get(), 0, SEEK_END);  // whoever hashed it may have left it anywhere
    std::unique_ptr<sdk::Model> model;
    EXPECT_TRUE(runner_.Load(FileBehind(fd.get()), model).ok());
    return model;
  }
  sdk::Status Validate(const Mlp& mlp, ByteView set, sdk::ValidationResult& result) {
    const std::unique_ptr<sdk::Model> model = Load(mlp);
    const UniqueFd fd = Open(set);
    return runner_.Validate(*model, {.fd = fd.get(), .size_bytes = set.size()},
                            std::chrono::microseconds(0), result);
  }

  test_support::TemporaryDirectory directory_;
  DigitsRunner runner_;
};

TEST_F(DigitsRunnerTest, ServesNothingBeforeItsFirstModel) {
  EXPECT_EQ(runner_.Infer({}), std::nullopt);
}

TEST_F(DigitsRunnerTest, ServesWhatWasActivatedUntilTheNextOrNone) {
  ASSERT_TRUE(runner_.Activate(Load(AlwaysSays(3))).ok());
  const LabelledImage three{.pixels = {}, .label = 3};
  EXPECT_TRUE(runner_.Infer(three)->right);
  const std::unique_ptr<sdk::Model> beside = Load(AlwaysSays(4));
  EXPECT_TRUE(runner_.Infer(three)->right) << "loading alone must not switch";
  ASSERT_TRUE(runner_.Activate(Load(AlwaysSays(4))).ok());
  EXPECT_FALSE(runner_.Infer(three)->right);
  ASSERT_TRUE(runner_.Activate(nullptr).ok());
  EXPECT_EQ(runner_.Infer(three), std::nullopt);
}

TEST_F(DigitsRunnerTest, CallsAnInferenceWithoutNumbersFailed) {
  Mlp poisoned = AlwaysSays(3);
  poisoned.output.biases[9] = std::nanf("");
  ASSERT_TRUE(runner_.Activate(Load(poisoned)).ok()) << "only running it shows";
  const auto inference = runner_.Infer({.pixels = {}, .label = 3});
  EXPECT_FALSE(inference->ok);
  EXPECT_FALSE(inference->right);
}

TEST_F(DigitsRunnerTest, RefusesToLoadWhatIsNoModel) {
  std::unique_ptr<sdk::Model> model;
  const UniqueFd garbage = Open(AsBytes("not a model"));
  EXPECT_EQ(runner_.Load(FileBehind(garbage.get()), model).code, "E_LOAD");
  const UniqueFd other = Open(WriteSafetensors({{{"x", {1}, {1}}}, {}}));
  EXPECT_EQ(runner_.Load(FileBehind(other.get()), model).code, "E_LOAD");
  EXPECT_EQ(runner_.Load(FileBehind(-1), model).code, "E_IO");
  EXPECT_EQ(model, nullptr);
}

TEST_F(DigitsRunnerTest, ScoresEachImageOfTheSetInItsOrder) {
  Images images(4);
  images[1].label = images[3].label = 6;
  sdk::ValidationResult result;
  ASSERT_TRUE(Validate(AlwaysSays(6), EncodeValidationSet(images), result).ok());
  EXPECT_EQ(result.n, 4U);
  EXPECT_EQ(result.scores, (std::vector<std::uint8_t>{0, 255, 0, 255}));
  EXPECT_EQ(result.non_finite, 0U);
  EXPECT_EQ(result.slow, 0U) << "no limit was given";
}

TEST_F(DigitsRunnerTest, CountsScoresThatAreNoNumbersAsWrong) {
  Mlp poisoned = AlwaysSays(0);
  poisoned.output.biases[9] = std::nanf("");
  sdk::ValidationResult result;
  ASSERT_TRUE(Validate(poisoned, EncodeValidationSet(Images(2)), result).ok());
  EXPECT_EQ(result.non_finite, 2U);
  EXPECT_EQ(result.scores, (std::vector<std::uint8_t>{0, 0}));
}

TEST_F(DigitsRunnerTest, RefusesASetThatIsNone) {
  sdk::ValidationResult result;
  EXPECT_EQ(Validate(AlwaysSays(6), AsBytes("DIG1"), result).code, "E_FB_INVALID");
}

}  // namespace
}  // namespace sluice::digits
