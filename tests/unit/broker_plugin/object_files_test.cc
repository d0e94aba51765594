#include "broker_plugin/object_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "broker_plugin/read_ahead.h"
#include "rollout_engine/registry/object_store.h"
#include "tests/support/temporary_directory.h"

namespace sluice::plugin {
namespace {

namespace fs = std::filesystem;

class ObjectFilesTest : public testing::Test {
 protected:
  static Digest Named(std::uint8_t first, std::uint8_t second = 0) {
    Digest digest;
    digest.bytes[0] = first;
    digest.bytes[1] = second;
    return digest;
  }
  [[nodiscard]] std::string PathOf(const Digest& object) const {
    const std::string hex = object.Hex();
    return directory_.File(hex.substr(0, 2)) + "/" + hex;
  }
  void Put(const Digest& object, std::string_view content) const {
    fs::create_directories(fs::path(PathOf(object)).parent_path());
    std::ofstream(PathOf(object), std::ios::trunc) << content;
  }
  std::string Read(const Digest& object, BootMs now = {0}) {
    const auto file = files_.Open(object, now);
    if (!file) return file.error().Line();
    Bytes bytes((*file)->size_bytes());
    EXPECT_EQ(reads_.Read(**file, 0, bytes), ReadOutcome::kDone);
    return std::string(AsText(bytes));
  }
  bool Finds(const Digest& object) { return files_.Open(object, {0}).has_value(); }

  test_support::TemporaryDirectory directory_;
  ObjectFiles files_{directory_.path().string(), 2};
  SystemFileReads reads_;
};

TEST_F(ObjectFilesTest, ReadsWhatTheEnginesObjectStoreWrites) {
  const auto store = ObjectStore::Open(directory_.path().string()).value();
  const Digest object = store.PutBytes(AsBytes("the model"))->sha256;
  ObjectFiles files(directory_.File("objects"));
  const auto file = files.Open(object, {0});
  ASSERT_TRUE(file) << file.error().Line();
  EXPECT_EQ((*file)->size_bytes(), 9U);
  EXPECT_EQ(files.Open(Named(1), {0}).error().code, ErrorCode::kNotFound);
}

TEST_F(ObjectFilesTest, WaitsForADirectoryThatAppearsLater) {
  ObjectFiles files(directory_.File("later"));
  EXPECT_FALSE(files.Open(Named(1), {0}));
  fs::create_directories(directory_.File("later/01"));
  std::ofstream(directory_.File("later/01/" + Named(1).Hex())) << "x";
  EXPECT_TRUE(files.Open(Named(1), {0}));
}

TEST_F(ObjectFilesTest, FollowsNoLink) {
  const std::string secret = directory_.Write("secret", "root only");
  fs::create_directories(directory_.File("01"));
  fs::create_symlink(secret, PathOf(Named(1)));
  EXPECT_FALSE(Finds(Named(1)));

  Put(Named(2), "good");
  fs::create_directories(directory_.File("elsewhere"));
  fs::rename(directory_.File("02"), directory_.File("elsewhere/02"));
  fs::create_directory_symlink(directory_.File("elsewhere/02"), directory_.File("02"));
  EXPECT_FALSE(Finds(Named(2)));
}

TEST_F(ObjectFilesTest, OpensOnlyRegularFilesWithContent) {
  Put(Named(1), "");
  EXPECT_FALSE(Finds(Named(1)));
  fs::create_directories(PathOf(Named(2)));
  EXPECT_FALSE(Finds(Named(2)));
  fs::create_directories(directory_.File("03"));
  ASSERT_EQ(::mkfifo(PathOf(Named(3)).c_str(), 0644), 0);
  EXPECT_FALSE(Finds(Named(3)));
  Put(Named(4), "x");
  fs::resize_file(PathOf(Named(4)), sluice::limits::kPayloadBytesMax + 1);
  EXPECT_FALSE(Finds(Named(4)));
}

TEST_F(ObjectFilesTest, KeepsABoundedNumberOfFilesOpenAndDropsTheLeastUsed) {
  for (std::uint8_t i = 1; i <= 3; ++i) Put(Named(i), std::string(i, 'x'));
  const auto first = files_.Open(Named(1), {0}).value();
  files_.Open(Named(2), {0}).value();
  EXPECT_EQ(files_.Open(Named(1), {0}).value(), first);
  files_.Open(Named(3), {0}).value();
  EXPECT_EQ(files_.open_files(), 2U);
  EXPECT_EQ(files_.Open(Named(1), {0}).value(), first);
  fs::remove(PathOf(Named(2)));
  EXPECT_FALSE(Finds(Named(2)));
}

TEST_F(ObjectFilesTest, KeepsAFileOpenForWhoeverHoldsIt) {
  for (std::uint8_t i = 1; i <= 3; ++i) Put(Named(i), "content");
  const auto held = files_.Open(Named(1), {0}).value();
  files_.Open(Named(2), {0}).value();
  files_.Open(Named(3), {0}).value();
  Bytes bytes(7);
  EXPECT_EQ(reads_.Read(*held, 0, bytes), ReadOutcome::kDone);
  EXPECT_EQ(AsText(bytes), "content");
}

TEST_F(ObjectFilesTest, LooksANameUpAgainAfterAMinute) {
  Put(Named(1), "damaged");
  EXPECT_EQ(Read(Named(1), {0}), "damaged");
  fs::rename(directory_.Write("new", "repaired"), PathOf(Named(1)));
  EXPECT_EQ(Read(Named(1), {limits::kOpenFileAge}), "damaged");
  EXPECT_EQ(Read(Named(1), {limits::kOpenFileAge + 1}), "repaired");
}

TEST_F(ObjectFilesTest, LooksANameUpAgainWhenToldToForgetIt) {
  Put(Named(1), "damaged");
  EXPECT_EQ(Read(Named(1)), "damaged");
  fs::rename(directory_.Write("new", "repaired"), PathOf(Named(1)));
  files_.Forget(Named(1));
  EXPECT_EQ(Read(Named(1)), "repaired");
}

}  // namespace
}  // namespace sluice::plugin
