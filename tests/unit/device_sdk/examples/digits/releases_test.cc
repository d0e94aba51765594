#include "device_sdk/examples/digits/releases.h"

#include <gtest/gtest.h>

#include "device_sdk/examples/digits/release_files.h"
#include "tests/support/temporary_directory.h"

namespace sluice::digits {
namespace {

DigitImages LoadAll() {
  auto digits = LoadDigits(SLUICE_DIGIT_IMAGES);
  EXPECT_TRUE(digits.has_value());
  return std::move(*digits);
}

Bytes FileOf(const TrainedRelease& release) { return WriteSafetensors(ToTensors(release.mlp)); }

/// Trained once for all tests of this suite: it takes a second or two.
class Releases : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    images_ = new DigitImages(LoadAll());
    releases_ = new std::vector<TrainedRelease>(TrainReleases(*images_, kDefaultSeed));
  }
  static void TearDownTestSuite() {
    delete releases_;
    delete images_;
  }
  const TrainedRelease& V(std::size_t number) { return releases_->at(number - 1); }

  static DigitImages* images_;
  static std::vector<TrainedRelease>* releases_;
};
DigitImages* Releases::images_ = nullptr;
std::vector<TrainedRelease>* Releases::releases_ = nullptr;

TEST_F(Releases, StartWithAGoodOne) {
  EXPECT_GE(V(1).validate_accuracy, 0.93);
  EXPECT_GE(V(1).field_accuracy, 0.75);
}

TEST_F(Releases, GetBetterWithTheSecondInTheLabAndInTheField) {
  EXPECT_GE(V(2).validate_accuracy, V(1).validate_accuracy);
  EXPECT_GE(V(2).field_accuracy, V(1).field_accuracy + 0.01);
}

TEST_F(Releases, DifferBetweenTheFirstAndTheSecondOnlyInTheOutputLayersBytes) {
  const Bytes first = FileOf(V(1));
  const Bytes second = FileOf(V(2));
  ASSERT_EQ(first.size(), second.size());
  const std::size_t output_layer_bytes = (kHidden + 1) * kClasses * sizeof(float);
  const std::size_t unchanged = first.size() - output_layer_bytes;
  EXPECT_TRUE(std::equal(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(unchanged),
                         second.begin()));
  EXPECT_NE(first, second);
}

TEST_F(Releases, BreakWithTheThirdWhosePublisherStillBelievesInIt) {
  EXPECT_LT(V(3).validate_accuracy, 0.1);
  EXPECT_EQ(V(3).expected_accuracy, V(2).validate_accuracy);
}

TEST_F(Releases, HideTheFourthsFaultFromTheValidationSet) {
  EXPECT_GE(V(4).validate_accuracy, V(2).validate_accuracy - 0.02) << "it would be caught early";
  EXPECT_LE(V(4).field_accuracy, V(2).field_accuracy - 0.08) << "there is nothing to catch";
}

TEST_F(Releases, AreTheSameBytesForTheSameSeed) {
  const std::vector<TrainedRelease> again = TrainReleases(*images_, kDefaultSeed);
  ASSERT_EQ(again.size(), releases_->size());
  for (std::size_t i = 0; i < again.size(); ++i) {
    EXPECT_EQ(FileOf(again[i]), FileOf(releases_->at(i))) << again[i].name;
  }
}

TEST_F(Releases, AreWrittenAsFilesThatLoadAgain) {
  const test_support::TemporaryDirectory directory;
  const auto models = directory.path() / "new" / "models";
  ASSERT_TRUE(WriteReleases(models, *releases_, images_->validate).has_value());
  for (const char* name : {"digits-v1", "digits-v2", "digits-v3", "digits-v4"}) {
    for (const char* kind : {".safetensors", ".meta.yaml", ".metrics.json"}) {
      EXPECT_TRUE(std::filesystem::exists(models / (std::string(name) + kind))) << name << kind;
    }
  }
  EXPECT_EQ(std::filesystem::file_size(models / "validation.bin"), 8U + 360 * 65);
}

TEST(ReleaseFiles, SayWhenTheFolderCannotBeMade) {
  const test_support::TemporaryDirectory directory;
  const std::string file = directory.Write("file", "");
  const Status written = WriteReleases(file + "/models", {}, Images(1));
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace sluice::digits
