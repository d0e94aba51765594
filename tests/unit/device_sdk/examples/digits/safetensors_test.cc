#include "device_sdk/examples/digits/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace sluice::digits {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Bytes FileOf(const std::string& header, std::size_t data_bytes) {
  Bytes bytes;
  AppendLe(bytes, static_cast<std::uint64_t>(header.size()));
  Append(bytes, AsBytes(header));
  bytes.resize(bytes.size() + data_bytes);
  return bytes;
}

std::string Entry(const std::string& name, const std::string& shape, const std::string& offsets,
                  const std::string& dtype = "F32") {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
         offsets + "}";
}

void ExpectRefused(const Bytes& bytes, const std::string& reason) {
  const auto read = ReadSafetensors(bytes);
  ASSERT_FALSE(read.has_value()) << reason;
  EXPECT_EQ(read.error().code, ErrorCode::kLoad);
  EXPECT_THAT(read.error().text, HasSubstr(reason));
}

TEST(Safetensors, ReadsWhatItWrote) {
  TensorFile file;
  file.tensors = {{"z", {2, 3}, {1, 2, 3, 4, 5, 6}}, {"a", {1}, {-0.5F}}};
  file.metadata = {{"author", "somebody"}};
  const Bytes bytes = WriteSafetensors(file);
  const auto read = ReadSafetensors(bytes);
  ASSERT_TRUE(read.has_value()) << read.error().Line();
  ASSERT_EQ(read->tensors.size(), 2U);
  EXPECT_EQ(read->tensors[0].name, "z") << "the order of the bytes, not of the names";
  EXPECT_THAT(read->tensors[0].shape, ElementsAre(2, 3));
  EXPECT_THAT(read->tensors[0].values, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(read->tensors[1].values, ElementsAre(-0.5F));
  EXPECT_EQ(read->metadata.at("author"), "somebody");
  EXPECT_EQ(WriteSafetensors(*read), bytes);
}

TEST(Safetensors, AlignsTheValuesTo8Bytes) {
  for (const std::string name : {"a", "ab", "abc", "abcd", "abcde"}) {
    const Bytes bytes = WriteSafetensors({{{name, {1}, {1}}}, {}});
    EXPECT_EQ(LoadLe<std::uint64_t>(bytes.data()) % 8, 0U);
  }
}

TEST(Safetensors, RefusesAFileThatEndsAnywhere) {
  const Bytes whole = WriteSafetensors({{{"a", {4}, {1, 2, 3, 4}}, {"b", {1}, {5}}}, {}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ReadSafetensors(ByteView(whole).first(size)).has_value()) << size;
  }
}

TEST(Safetensors, RefusesAHeaderLargerThanTheFileOrTheLimit) {
  Bytes bytes(64);
  StoreLe(bytes.data(), std::uint64_t{57});
  ExpectRefused(bytes, "a header of 57 bytes");
  StoreLe(bytes.data(), std::numeric_limits<std::uint64_t>::max());
  ExpectRefused(bytes, "a header of 18446744073709551615 bytes");
  ExpectRefused(FileOf(std::string(64 * 1024 + 1, ' '), 0), "a header of 65537 bytes");
}

TEST(Safetensors, RefusesAHeaderThatIsNoJsonObject) {
  ExpectRefused(FileOf("", 0), "not a JSON object");
  ExpectRefused(FileOf("[]", 0), "not a JSON object");
  ExpectRefused(FileOf("{\"a\":", 0), "not a JSON object");
  ExpectRefused(FileOf("{}{}", 0), "not a JSON object");
}

TEST(Safetensors, RefusesRepeatedNames) {
  ExpectRefused(
      FileOf("{" + Entry("a", "[1]", "[0,4]") + "," + Entry("a", "[1]", "[4,8]") + "}", 8),
      "repeated key");
  ExpectRefused(FileOf(R"({"a":{"dtype":"I8","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
                "repeated key");
}

TEST(Safetensors, RefusesDeepNesting) {
  const std::string deep = std::string(2'000, '[') + std::string(2'000, ']');
  ExpectRefused(FileOf("{\"a\":" + deep + "}", 0), "too deep nesting");
}

TEST(Safetensors, RefusesOtherTypesThanF32) {
  ExpectRefused(FileOf("{" + Entry("a", "[1]", "[0,4]", "I32") + "}", 4), "not F32");
}

TEST(Safetensors, RefusesEntriesWithMissingOrUnknownParts) {
  ExpectRefused(FileOf(R"({"a":{"dtype":"F32","shape":[1]}})", 4), "must have");
  ExpectRefused(FileOf(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", 4),
                "must have");
  ExpectRefused(FileOf(R"({"a":7})", 4), "must have");
}

TEST(Safetensors, RefusesShapesThatOverflowOrAreNoSizes) {
  for (const char* shape : {"[4294967296,4294967296,4294967296]", "[0]", "[-1]", "[1.5]", "[\"1\"]",
                            "7", "[1,1,1,1,1,1,1,1,1]", "[18446744073709551615]", "[1e3]"}) {
    ExpectRefused(FileOf("{" + Entry("a", shape, "[0,4]") + "}", 4), "impossible shape");
  }
}

TEST(Safetensors, RefusesOffsetsThatDoNotFitTheShapeOrTheFile) {
  for (const char* offsets : {"[0,8]", "[4,0]", "[4,8]", "[0]", "[0,4,8]", "[0,-4]", "{}",
                              "[18446744073709551612,18446744073709551615]"}) {
    ExpectRefused(FileOf("{" + Entry("a", "[1]", offsets) + "}", 4), "does not lie");
  }
}

TEST(Safetensors, RefusesGapsOverlapsAndTrailingBytes) {
  ExpectRefused(FileOf("{" + Entry("a", "[1]", "[4,8]") + "}", 8), "a gap or an overlap");
  ExpectRefused(
      FileOf("{" + Entry("a", "[1]", "[0,4]") + "," + Entry("b", "[1]", "[0,4]") + "}", 8),
      "a gap or an overlap");
  ExpectRefused(FileOf("{" + Entry("a", "[1]", "[0,4]") + "}", 5), "bytes behind");
}

TEST(Safetensors, RefusesMoreTensorsThanItAllows) {
  std::string header = "{";
  for (int i = 0; i < 65; ++i) {
    const std::string offsets = "[" + std::to_string(4 * i) + "," + std::to_string(4 * i + 4) + "]";
    header += (i == 0 ? "" : ",") + Entry("t" + std::to_string(i), "[1]", offsets);
  }
  ExpectRefused(FileOf(header + "}", 65 * 4), "more than 64 tensors");
}

TEST(Safetensors, RefusesMetadataThatIsNoText) {
  ExpectRefused(FileOf(R"({"__metadata__":{"a":1}})", 0), "not a text");
  ExpectRefused(FileOf(R"({"__metadata__":[]})", 0), "not an object");
}

}  // namespace
}  // namespace sluice::digits
