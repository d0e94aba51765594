#include "broker_plugin/read_ahead.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/temporary_directory.h"

namespace sluice::plugin {
namespace {

std::shared_ptr<const ObjectFile> OpenFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  return std::make_shared<const ObjectFile>(fd,
                                            static_cast<std::uint64_t>(::lseek(fd, 0, SEEK_END)));
}

TEST(SystemFileReads, ReadsWhatIsAskedFor) {
  const test_support::TemporaryDirectory directory;
  const auto file = OpenFile(directory.Write("file", "0123456789"));
  SystemFileReads reads;
  Bytes bytes(4);
  EXPECT_EQ(reads.Read(*file, 3, bytes), ReadOutcome::kDone);
  EXPECT_EQ(AsText(bytes), "3456");
  // Just written, so in memory; a file system that cannot tell says cold.
  Bytes again(4);
  const ReadOutcome cached = reads.ReadIfCached(*file, 3, again);
  EXPECT_TRUE(cached == ReadOutcome::kCold || again == bytes);
}

TEST(SystemFileReads, FailsBehindTheEndOfTheFile) {
  const test_support::TemporaryDirectory directory;
  const auto file = OpenFile(directory.Write("file", "0123456789"));
  SystemFileReads reads;
  Bytes bytes(4);
  EXPECT_EQ(reads.Read(*file, 8, bytes), ReadOutcome::kFailed);
  EXPECT_EQ(reads.ReadIfCached(*file, 8, bytes), ReadOutcome::kCold);
}

/// Stops in each read until the test lets it go on, so that nothing is left to chance.
class SteppedReads final : public FileReads {
 public:
  ReadOutcome ReadIfCached(const ObjectFile&, std::uint64_t, std::span<std::uint8_t>) override {
    return ReadOutcome::kCold;
  }
  ReadOutcome Read(const ObjectFile&, std::uint64_t offset, std::span<std::uint8_t> to) override {
    std::unique_lock lock(mutex_);
    if (begun_.size() < 100) begun_.push_back({offset, to.size()});
    changed_.notify_all();
    changed_.wait(lock, [this] { return begun_.size() <= allowed_; });
    return offset == fails_at ? ReadOutcome::kFailed : ReadOutcome::kDone;
  }
  /// Waits until the read of that number (from 1) has begun: those before it are finished.
  ByteRange WaitForRead(std::size_t number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_.size() >= number; });
    return begun_[number - 1];
  }
  void Allow(std::size_t reads) {
    const std::lock_guard lock(mutex_);
    allowed_ = reads;
    changed_.notify_all();
  }

  std::uint64_t fails_at = UINT64_MAX;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ByteRange> begun_;
  std::size_t allowed_ = 0;
};

class ThreadReadAheadTest : public testing::Test {
 protected:
  ~ThreadReadAheadTest() override { reads_.Allow(1'000); }

  test_support::TemporaryDirectory directory_;
  std::shared_ptr<const ObjectFile> file_ = OpenFile(directory_.Write("file", "x"));
  SteppedReads reads_;
};

TEST_F(ThreadReadAheadTest, ReadsRangesInTheOrderAskedAndSaysSo) {
  ThreadReadAhead ahead(reads_);
  const auto first = ahead.Want(file_, {0, 100});
  const auto second = ahead.Want(file_, {500, 200});
  ahead.Want(file_, {900, 1});
  EXPECT_TRUE(ahead.Collect().empty());
  reads_.Allow(2);
  EXPECT_EQ(reads_.WaitForRead(3), (ByteRange{900, 1}));
  const auto finished = ahead.Collect();
  ASSERT_EQ(finished.size(), 2U);
  EXPECT_EQ(finished[0].ticket, first);
  EXPECT_EQ(finished[1].ticket, second);
  EXPECT_TRUE(finished[0].ok && finished[1].ok);
  EXPECT_TRUE(ahead.Collect().empty());
  reads_.Allow(3);
}

TEST_F(ThreadReadAheadTest, ReadsALongRangeInSteps) {
  ThreadReadAhead ahead(reads_);
  reads_.Allow(10);
  ahead.Want(file_, {64, 2 * limits::kReadAheadStepBytes + 5});
  EXPECT_EQ(reads_.WaitForRead(1), (ByteRange{64, limits::kReadAheadStepBytes}));
  EXPECT_EQ(reads_.WaitForRead(3), (ByteRange{64 + 2 * limits::kReadAheadStepBytes, 5}));
}

TEST_F(ThreadReadAheadTest, SaysWhichRangeCouldNotBeRead) {
  ThreadReadAhead ahead(reads_);
  reads_.fails_at = 500;
  const auto bad = ahead.Want(file_, {500, 200});
  ahead.Want(file_, {900, 1});
  reads_.Allow(1);
  reads_.WaitForRead(2);
  const auto finished = ahead.Collect();
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_EQ(finished[0].ticket, bad);
  EXPECT_FALSE(finished[0].ok);
  reads_.Allow(2);
}

TEST_F(ThreadReadAheadTest, TakesABoundedNumberUntilTheyAreCollected) {
  ThreadReadAhead ahead(reads_, 2);
  EXPECT_TRUE(ahead.Want(file_, {0, 1}));
  EXPECT_TRUE(ahead.Want(file_, {1, 1}));
  EXPECT_FALSE(ahead.Want(file_, {2, 1}));
  reads_.Allow(1);
  reads_.WaitForRead(2);
  EXPECT_FALSE(ahead.Want(file_, {2, 1}));
  EXPECT_EQ(ahead.Collect().size(), 1U);
  EXPECT_TRUE(ahead.Want(file_, {2, 1}));
  reads_.Allow(3);
}

TEST_F(ThreadReadAheadTest, EndsInTheMiddleOfARangeThatWouldTakeForEver) {
  reads_.Allow(SIZE_MAX);
  ThreadReadAhead ahead(reads_);
  ahead.Want(file_, {0, std::uint64_t{1} << 60});
  ahead.Want(file_, {0, std::uint64_t{1} << 60});
  reads_.WaitForRead(1);
}

TEST_F(ThreadReadAheadTest, EndsWithoutEverHavingBegun) { const ThreadReadAhead ahead(reads_); }

}  // namespace
}  // namespace sluice::plugin
