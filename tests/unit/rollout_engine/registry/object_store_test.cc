#include "rollout_engine/registry/object_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using test_support::TemporaryDirectory;

class ObjectStoreTest : public testing::Test {
 protected:
  [[nodiscard]] Digest PutText(std::string_view text) const {
    const auto put = objects_.PutBytes(AsBytes(text));
    EXPECT_TRUE(put) << put.error().Line();
    return put->sha256;
  }
  void Damage(const Digest& object) const {
    std::ofstream(objects_.PathOf(object), std::ios::trunc) << "damaged";
  }
  [[nodiscard]] std::size_t FilesInTmp() const {
    const fs::directory_iterator entries(directory_.path() / "objects" / "tmp");
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
  }

  TemporaryDirectory directory_;
  ObjectStore objects_ = ObjectStore::Open(directory_.path().string()).value();
};

TEST_F(ObjectStoreTest, KeepsBytesUnderTheirDigestWhereTheBrokerCanReadThem) {
  const ::mode_t before = ::umask(0077);
  const Digest object = PutText("model");
  ::umask(before);
  EXPECT_EQ(object, Sha256(AsBytes("model")));
  const std::string hex = object.Hex();
  EXPECT_EQ(objects_.PathOf(object),
            directory_.File("objects") + "/" + hex.substr(0, 2) + "/" + hex);
  struct stat status {};
  ASSERT_EQ(::stat(objects_.PathOf(object).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
  EXPECT_EQ(AsText(objects_.Read(object, 100).value()), "model");
  EXPECT_EQ(FilesInTmp(), 0u);
}

TEST_F(ObjectStoreTest, LetsTheBrokerPassThroughItsFoldersWhateverTheUmask) {
  const TemporaryDirectory directory;
  const std::string objects = directory.File("objects");
  fs::create_directory(objects);
  fs::permissions(objects, fs::perms::owner_all);  // as an earlier version left it
  const ::mode_t before = ::umask(0077);
  const auto store = ObjectStore::Open(directory.path().string());
  const auto put = store->PutBytes(AsBytes("model"));
  ::umask(before);
  ASSERT_TRUE(put) << put.error().Line();
  for (const std::string& folder :
       {objects, fs::path(store->PathOf(put->sha256)).parent_path().string()}) {
    struct stat status {};
    ASSERT_EQ(::stat(folder.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0755u) << folder;
  }
}

TEST_F(ObjectStoreTest, SaysWhenTheSameBytesWereThereBefore) {
  EXPECT_FALSE(objects_.PutBytes(AsBytes("model"))->was_there);
  EXPECT_TRUE(objects_.PutBytes(AsBytes("model"))->was_there);
}

TEST_F(ObjectStoreTest, CopiesAFileOfSeveralPieces) {
  std::string content(700'000, 'x');
  content[300'000] = 'y';
  const auto put = objects_.PutFile(directory_.Write("artifact", content));
  ASSERT_TRUE(put) << put.error().Line();
  EXPECT_EQ(put->size_bytes, content.size());
  EXPECT_EQ(put->sha256, Sha256(AsBytes(content)));
}

TEST_F(ObjectStoreTest, RefusesWhatIsNoArtifact) {
  const std::string file = directory_.Write("file", "12345");
  const std::string empty = directory_.Write("empty", "");
  const std::string link = directory_.File("link");
  const std::string fifo = directory_.File("fifo");
  fs::create_symlink(file, link);
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const struct {
    std::string path;
    ErrorCode code;
  } rows[] = {
      {empty, ErrorCode::kArtifactEmpty},
      {file, ErrorCode::kArtifactTooBig},
      {link, ErrorCode::kArtifactNotRegular},
      {fifo, ErrorCode::kArtifactNotRegular},
      {directory_.path().string(), ErrorCode::kArtifactNotRegular},
      {"/dev/zero", ErrorCode::kArtifactNotRegular},
      {directory_.File("absent"), ErrorCode::kNotFound},
  };
  for (const auto& row : rows) {
    const auto put = objects_.PutFile(row.path, 4);
    ASSERT_FALSE(put) << row.path;
    EXPECT_EQ(put.error().code, row.code) << put.error().Line();
    EXPECT_NE(put.error().text.find(row.path), std::string::npos) << put.error().Line();
  }
  EXPECT_EQ(FilesInTmp(), 0u);
}

TEST_F(ObjectStoreTest, RefusesAFileThatChangesWhileItIsRead) {
  const std::string path = directory_.Write("growing", "x");
  fs::resize_file(path, std::uint64_t{32} << 20);  // takes much longer to hash than a write does
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (std::ofstream file(path, std::ios::app); !stop; std::this_thread::yield()) {
      file << "x" << std::flush;
    }
  });
  const auto put = objects_.PutFile(path);
  stop = true;
  writer.join();
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, ErrorCode::kArtifactChanged) << put.error().Line();
  EXPECT_EQ(FilesInTmp(), 0u);
}

TEST_F(ObjectStoreTest, DropsAnUploadThatIsNotCommittedOrNotWhatItShouldBe) {
  {
    auto abandoned = objects_.NewObject().value();
    ASSERT_TRUE(abandoned.Append(AsBytes("half")));
    EXPECT_EQ(FilesInTmp(), 1u);
  }
  EXPECT_EQ(FilesInTmp(), 0u);
  {
    auto other = objects_.NewObject().value();
    ASSERT_TRUE(other.Append(AsBytes("other bytes")));
    EXPECT_EQ(other.Commit(Sha256(AsBytes("model"))).error().code, ErrorCode::kArtifactHash);
  }
  {
    auto empty = objects_.NewObject().value();
    EXPECT_EQ(empty.Commit().error().code, ErrorCode::kArtifactEmpty);
  }
  {
    auto endless = objects_.NewObject(4).value();
    EXPECT_TRUE(endless.Append(AsBytes("1234")));
    EXPECT_EQ(endless.Append(AsBytes("5")).error().code, ErrorCode::kArtifactTooBig);
  }
  EXPECT_EQ(FilesInTmp(), 0u);
  EXPECT_FALSE(objects_.Has(Sha256(AsBytes("other bytes"))));
}

TEST_F(ObjectStoreTest, ForgetsHalfWrittenObjectsOfACrashWhenItOpens) {
  directory_.Write("objects/tmp/abc123", "half an object");
  ASSERT_TRUE(ObjectStore::Open(directory_.path().string()));
  EXPECT_EQ(FilesInTmp(), 0u);
}

TEST_F(ObjectStoreTest, ReadsWithinAnObjectAndNotBeyond) {
  const Digest object = PutText("0123456789");
  Bytes four(4);
  ASSERT_TRUE(objects_.ReadAt(object, 6, four));
  EXPECT_EQ(AsText(four), "6789");
  EXPECT_EQ(objects_.ReadAt(object, 7, four).error().code, ErrorCode::kChunkRange);
  EXPECT_EQ(objects_.ReadAt(object, ~std::uint64_t{0}, four).error().code, ErrorCode::kChunkRange);
  EXPECT_TRUE(objects_.ReadAt(object, 10, {}));
  EXPECT_EQ(objects_.Read(object, 9).error().code, ErrorCode::kTooBig);
  const Digest absent = Sha256(AsBytes("absent"));
  EXPECT_EQ(objects_.ReadAt(absent, 0, four).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(objects_.SizeOf(absent).error().code, ErrorCode::kNotFound);
}

TEST_F(ObjectStoreTest, NoticesADamagedObjectAndMendsItWhenItIsPutAgain) {
  const Digest object = PutText("model");
  Damage(object);
  EXPECT_EQ(objects_.Verify(object).error().code, ErrorCode::kObjectHash);
  EXPECT_EQ(objects_.Read(object, 100).error().code, ErrorCode::kObjectHash);
  EXPECT_FALSE(objects_.PutBytes(AsBytes("model"))->was_there);
  EXPECT_TRUE(objects_.Verify(object));
}

TEST_F(ObjectStoreTest, ListsObjectsInOrderAndNothingElse) {
  std::vector<Digest> expected = {PutText("a"), PutText("b"), PutText("c")};
  std::sort(expected.begin(), expected.end());
  directory_.Write("objects/README", "no object");
  directory_.Write("objects/" + Sha256(AsBytes("misplaced")).Hex(), "misplaced");
  std::vector<Digest> listed;
  ASSERT_TRUE(objects_.List([&listed](const Digest& object) {
    listed.push_back(object);
    return true;
  }));
  EXPECT_EQ(listed, expected);
}

TEST_F(ObjectStoreTest, DoesNotMakeAFolderThatItOnlyReads) {
  const TemporaryDirectory empty;
  EXPECT_EQ(ObjectStore::OpenExisting(empty.path().string()).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(fs::is_empty(empty.path()));
}

}  // namespace
}  // namespace sluice
