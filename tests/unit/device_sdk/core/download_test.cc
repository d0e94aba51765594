#include "device_sdk/core/download.h"

#include <gtest/gtest.h>

#include "common/base/random.h"
#include "common/contract/limits.h"

namespace sluice::device {
namespace {

constexpr std::uint32_t kChunk = 1'024;

Bytes Object(std::size_t size) {
  Bytes bytes(size);
  SeededRandom(size).Fill(bytes);
  return bytes;
}

/// Delivers every chunk of the ranges.
void Serve(Download& download, const Bytes& object, const std::vector<ByteRange>& ranges,
           BootMs now) {
  for (const ByteRange& range : ranges) {
    for (std::uint64_t at = range.offset; at < range.offset + range.length; at += kChunk) {
      const std::uint64_t length = std::min<std::uint64_t>(kChunk, object.size() - at);
      const auto from = object.begin() + static_cast<std::ptrdiff_t>(at);
      ASSERT_TRUE(
          download.OnChunk(at, Bytes(from, from + static_cast<std::ptrdiff_t>(length)), now));
    }
  }
}

std::uint64_t Sum(const std::vector<ByteRange>& ranges) {
  std::uint64_t sum = 0;
  for (const ByteRange& range : ranges) sum += range.length;
  return sum;
}

TEST(Download, BringsAllBytesInOrder) {
  const Bytes object = Object(300'001);
  Download download(object.size(), kChunk, limits::kWindowBytesMax, {0});
  Bytes taken;
  for (int i = 0; i < 100 && taken.size() < object.size(); ++i) {
    Serve(download, object, download.TakeRequest({i}), {i});
    const std::uint64_t length = std::min<std::uint64_t>(5'000, object.size() - taken.size());
    while (taken.size() < object.size()) {
      const auto bytes = download.Take(
          taken.size(), std::min<std::uint64_t>(length, object.size() - taken.size()));
      if (!bytes) break;
      Append(taken, *bytes);
      download.SkipTo(taken.size());
    }
  }
  EXPECT_EQ(taken, object);
}

TEST(Download, NeverAsksAgainForWhatIsInFlight) {
  Download download(100'000, kChunk, limits::kWindowBytesMax, {0});
  EXPECT_GT(Sum(download.TakeRequest({0})), 0u);
  EXPECT_EQ(Sum(download.TakeRequest({0})), 0u);
}

TEST(Download, StartsSmallAndDoublesWithEachCleanWindow) {
  const Bytes object = Object(4 << 20);
  Download download(object.size(), kChunk, limits::kWindowBytesMax, {0});
  EXPECT_EQ(download.window_bytes(), limits::kWindowBytesStart);
  Serve(download, object, download.TakeRequest({0}), {10});
  EXPECT_EQ(download.window_bytes(), 2 * limits::kWindowBytesStart);
  for (int i = 0; i < 10; ++i) Serve(download, object, download.TakeRequest({i}), {i});
  EXPECT_EQ(download.window_bytes(), limits::kWindowBytesMax);
}

TEST(Download, HalvesTheWindowAndAsksAgainAfterATimeout) {
  Download download(1 << 20, kChunk, limits::kWindowBytesMax, {0});
  const std::uint64_t asked = Sum(download.TakeRequest({0}));
  ASSERT_TRUE(download.NextDeadline());
  EXPECT_EQ(download.NextDeadline()->ms, kRetryFirstMs);
  ASSERT_TRUE(download.OnTimeout({1'000}, 0.5));
  EXPECT_EQ(download.window_bytes(), limits::kWindowBytesStart / 2);
  const auto again = download.TakeRequest({1'000});
  EXPECT_EQ(again.front().offset, 0u);
  EXPECT_EQ(Sum(again), asked / 2);
  EXPECT_EQ(download.NextDeadline()->ms, 1'000 + 2 * kRetryFirstMs) << "and waits longer";
}

TEST(Download, AsksOnlyForWhatIsMissing) {
  const Bytes object = Object(64 * 1024);
  Download download(object.size(), kChunk, limits::kWindowBytesMax, {0});
  (void)download.TakeRequest({0});
  Serve(download, object, {{0, 2 * kChunk}, {3 * kChunk, 61 * kChunk}}, {10});
  ASSERT_TRUE(download.OnTimeout({2'000}, 0));
  const auto again = download.TakeRequest({2'000});
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0], (ByteRange{2 * kChunk, kChunk}));
}

TEST(Download, GivesUpAfterBarrenTimeouts) {
  Download download(1 << 20, kChunk, limits::kWindowBytesMax, {0});
  Status last;
  for (int i = 0; i < kBarrenTimeoutsMax; ++i) {
    ASSERT_TRUE(last) << i;
    (void)download.TakeRequest({0});
    last = download.OnTimeout({0}, 0.5);
  }
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, ErrorCode::kSlow);
}

TEST(Download, CallsATrickleSlow) {
  const Bytes object = Object(4 << 20);
  Download download(object.size(), kChunk, limits::kWindowBytesMax, {0});
  Status status;
  std::int64_t now = 0;
  for (int minute = 0; status && minute < 10; ++minute) {
    const auto ranges = download.TakeRequest({now});
    Serve(download, object, {{ranges.front().offset, kChunk}}, {now});
    now += limits::kMinute;
    status = download.OnTimeout({now}, 0.5);
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kSlow);
  EXPECT_GE(now, kRateWatchMs);
}

TEST(Download, ForgivesTheTimeWithoutAConnection) {
  Download download(1 << 20, kChunk, limits::kWindowBytesMax, {0});
  (void)download.TakeRequest({0});
  download.OnDisconnected({1'000});
  EXPECT_FALSE(download.NextDeadline());
  download.OnConnected({limits::kDay});
  EXPECT_GT(Sum(download.TakeRequest({limits::kDay})), 0u);
  EXPECT_TRUE(download.OnTimeout({limits::kDay + 2'000}, 0.5));
}

TEST(Download, RefusesChunksThatAreNoneOfItsObject) {
  Download download(10'000, kChunk, limits::kWindowBytesMax, {0});
  (void)download.TakeRequest({0});
  struct Case {
    std::uint64_t offset;
    std::size_t length;
  };
  for (const Case& bad :
       {Case{1, kChunk}, Case{0, kChunk - 1}, Case{0, 0}, Case{10 * kChunk, kChunk},
        Case{9 * kChunk, kChunk}, Case{UINT64_MAX - kChunk + 1, kChunk}}) {
    const Status status = download.OnChunk(bad.offset, Bytes(bad.length), {0});
    ASSERT_FALSE(status) << bad.offset;
    EXPECT_EQ(status.error().code, ErrorCode::kChunkRange);
  }
}

TEST(Download, HoldsNoMoreThanAWindowWhateverIsSent) {
  const Bytes object = Object(4 << 20);
  Download download(object.size(), kChunk, limits::kWindowBytesMax, {0});
  (void)download.TakeRequest({0});
  Serve(download, object, {{kChunk, object.size() - kChunk}}, {0});  // all but the first chunk
  EXPECT_EQ(download.done_bytes(), 0u);
  EXPECT_FALSE(download.Take(limits::kWindowBytesMax, kChunk))
      << "beyond the window nothing was kept";
  EXPECT_TRUE(download.Take(kChunk, kChunk));
}

TEST(Download, FetchesAgainWhatHadAWrongHash) {
  const Bytes object = Object(8 * kChunk);
  Download download(object.size(), kChunk, limits::kWindowBytesMax, {0});
  Serve(download, object, download.TakeRequest({0}), {0});
  download.Refetch(2 * kChunk + 10, kChunk);
  EXPECT_FALSE(download.Take(2 * kChunk, kChunk));
  const auto again = download.TakeRequest({0});
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0], (ByteRange{2 * kChunk, 2 * kChunk}));
}

TEST(Download, ResumesBehindWhatIsWritten) {
  Download download(100 * kChunk, kChunk, limits::kWindowBytesMax, {0});
  download.SkipTo(10 * kChunk + 5);
  EXPECT_EQ(download.TakeRequest({0}).front().offset, 10 * kChunk);
  EXPECT_EQ(download.done_bytes(), 10 * kChunk);
}

TEST(Download, SurvivesLossDuplicationAndReordering) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SeededRandom random(seed);
    const Bytes object = Object(200'000 + seed);
    Download download(object.size(), kChunk, 128 * 1024, {0});
    Bytes taken;
    std::int64_t now = 0;
    while (taken.size() < object.size()) {
      ASSERT_LT(now, 10'000'000) << "seed " << seed;
      std::vector<std::uint64_t> offsets;
      for (const ByteRange& range : download.TakeRequest({now})) {
        for (std::uint64_t at = range.offset; at < range.offset + range.length; at += kChunk) {
          const std::uint64_t copies = random.Below(10) == 0 ? 0 : 1 + random.Below(2);
          offsets.insert(offsets.end(), copies, at);
        }
      }
      for (std::size_t i = offsets.size(); i > 1; --i)
        std::swap(offsets[i - 1], offsets[random.Below(i)]);
      for (const std::uint64_t at : offsets) {
        Serve(download, object, {{at, 1}}, {now});
      }
      while (taken.size() < object.size()) {
        const auto bytes =
            download.Take(taken.size(), std::min<std::uint64_t>(777, object.size() - taken.size()));
        if (!bytes) break;
        Append(taken, *bytes);
        download.SkipTo(taken.size());
      }
      if (const auto deadline = download.NextDeadline()) {
        now = deadline->ms;
        ASSERT_TRUE(download.OnTimeout({now}, random.Unit())) << "seed " << seed;
      }
    }
    EXPECT_EQ(taken, object) << "seed " << seed;
  }
}

TEST(ByteBudget, CountsWhatTheLinkCarried) {
  const ByteBudget budget{.limit = 1'000, .spent_before = 300, .link_mark = 50};
  EXPECT_EQ(budget.Spent(150), 400u);
  EXPECT_TRUE(budget.Allows(150, 600));
  EXPECT_FALSE(budget.Allows(150, 601));
}

}  // namespace
}  // namespace sluice::device
