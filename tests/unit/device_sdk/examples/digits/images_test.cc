#include "device_sdk/examples/digits/images.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "tests/support/temporary_directory.h"

namespace sluice::digits {
namespace {

using test_support::TemporaryDirectory;

std::string Row(const std::string& pixel = "0", const std::string& label = "7") {
  std::string row;
  for (std::size_t i = 0; i < kPixels; ++i) row += pixel + ",";
  return row + label + "\n";
}

ErrorCode LoadError(const std::string& csv) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("images.csv.gz");
  const gzFile file = gzopen(path.c_str(), "wb");
  EXPECT_EQ(gzwrite(file, csv.data(), static_cast<unsigned>(csv.size())),
            static_cast<int>(csv.size()));
  gzclose(file);
  const auto loaded = LoadDigits(path);
  return loaded.has_value() ? ErrorCode::kOk : loaded.error().code;
}

std::string Rows(std::size_t count) {
  std::string rows;
  for (std::size_t i = 0; i < count; ++i) rows += Row();
  return rows;
}

TEST(Digits, SplitIntoTrainingValidationAndFieldByRow) {
  const auto digits = LoadDigits(SLUICE_DIGIT_IMAGES);
  ASSERT_TRUE(digits.has_value()) << digits.error().Line();
  EXPECT_EQ(digits->train.size(), 1'078U);
  EXPECT_EQ(digits->validate.size(), 360U);
  EXPECT_EQ(digits->field.size(), 359U);
  EXPECT_EQ(digits->train[0].label, 0);
  EXPECT_FLOAT_EQ(digits->train[0].pixels[2], 5.0F / 16);
}

TEST(Digits, AreRefusedWhenARowIsNotAnImage) {
  EXPECT_EQ(LoadError(Rows(1'797)), ErrorCode::kOk);
  EXPECT_EQ(LoadError(Rows(1'796)), ErrorCode::kFbInvalid);
  EXPECT_EQ(LoadError(Rows(1'798)), ErrorCode::kFbInvalid);
  for (const std::string& row : {Row("17"), Row("-1"), Row("x"), Row(""), Row("0", "10"),
                                 Row("0", ""), Row("0", "7,"), std::string("\n")}) {
    EXPECT_EQ(LoadError(Rows(1'796) + row), ErrorCode::kFbInvalid) << row;
  }
}

TEST(Digits, AreRefusedWhenTheyUnpackToTooMuch) {
  EXPECT_EQ(LoadError(std::string((1 << 20) + 1, '0')), ErrorCode::kTooBig);
}

TEST(Digits, AreRefusedWhenTheFileIsMissingOrCutShort) {
  EXPECT_EQ(LoadDigits("/no/such/file").error().code, ErrorCode::kIo);
  const TemporaryDirectory directory;
  const std::string cut = directory.File("cut.gz");
  std::filesystem::copy_file(SLUICE_DIGIT_IMAGES, cut);
  std::filesystem::resize_file(cut, std::filesystem::file_size(cut) / 2);
  EXPECT_EQ(LoadDigits(cut).error().code, ErrorCode::kIo);
}

TEST(ValidationSet, DecodesToTheImagesThatWereEncoded) {
  const auto digits = LoadDigits(SLUICE_DIGIT_IMAGES);
  ASSERT_TRUE(digits.has_value());
  const Bytes bytes = EncodeValidationSet(digits->validate);
  EXPECT_EQ(bytes.size(), 8 + 360U * 65);
  const auto images = DecodeValidationSet(bytes);
  ASSERT_TRUE(images.has_value());
  ASSERT_EQ(images->size(), 360U);
  for (std::size_t i = 0; i < images->size(); ++i) {
    EXPECT_EQ((*images)[i].pixels, digits->validate[i].pixels);
    EXPECT_EQ((*images)[i].label, digits->validate[i].label);
  }
}

TEST(ValidationSet, RefusesWhatIsNotExactlyOne) {
  const Bytes good = EncodeValidationSet(Images(2));
  EXPECT_TRUE(DecodeValidationSet(good).has_value());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeValidationSet(ByteView(good).first(size)).has_value()) << size;
  }
  const auto refused_with = [&good](std::size_t at, std::uint8_t value) {
    Bytes bad = good;
    bad[at] = value;
    return !DecodeValidationSet(bad).has_value();
  };
  EXPECT_TRUE(refused_with(0, 'X'));
  EXPECT_TRUE(refused_with(4, 3)) << "a count beyond the bytes";
  EXPECT_TRUE(refused_with(7, 255)) << "a count whose bytes would overflow 32 bits";
  EXPECT_TRUE(refused_with(8, 17)) << "a pixel over 16";
  EXPECT_TRUE(refused_with(8 + 64, 10)) << "a label over 9";
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(DecodeValidationSet(longer).has_value());
  EXPECT_FALSE(DecodeValidationSet(EncodeValidationSet({})).has_value());
}

}  // namespace
}  // namespace sluice::digits
