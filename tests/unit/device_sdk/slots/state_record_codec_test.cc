#include "device_sdk/slots/state_record_codec.h"

#include <gtest/gtest.h>

#include "tests/support/sealed_record.h"
#include "tests/unit/device_sdk/slots/sample_record.h"

namespace sluice::device {
namespace {

constexpr std::size_t kPayloadBytes = 8 * kSectorPayloadBytes;

/// Sets one payload byte and makes the sums right again: what is left is the field's range.
RecordBytes WithPayloadByte(RecordBytes bytes, std::size_t at, std::uint8_t value) {
  bytes[test_support::PayloadOffset(at)] = value;
  return test_support::SealedRecord(bytes);
}

TEST(StateRecordCodec, GivesBackEveryField) {
  const StateRecord record = SampleRecord();
  const Result<StateRecord> decoded = DecodeRecord(EncodeRecord(record));
  ASSERT_TRUE(decoded) << decoded.error().Line();
  EXPECT_EQ(*decoded, record);
}

TEST(StateRecordCodec, GivesBackAnEmptyRecord) {
  const Result<StateRecord> decoded = DecodeRecord(EncodeRecord(StateRecord{}));
  ASSERT_TRUE(decoded) << decoded.error().Line();
  EXPECT_EQ(*decoded, StateRecord{});
}

TEST(StateRecordCodec, RefusesEveryOtherSize) {
  const RecordBytes bytes = EncodeRecord(SampleRecord());
  Bytes longer(bytes.begin(), bytes.end());
  longer.push_back(0);
  EXPECT_EQ(DecodeRecord(longer).error().code, ErrorCode::kStoreCorrupt);
  EXPECT_FALSE(DecodeRecord(ByteView(bytes).first(kRecordBytes - 1)));
  EXPECT_FALSE(DecodeRecord({}));
}

TEST(StateRecordCodec, RefusesZeros) { EXPECT_FALSE(DecodeRecord(Bytes(kRecordBytes))); }

TEST(StateRecordCodec, A31_RefusesARecordWithAnyByteFlipped) {
  const RecordBytes bytes = EncodeRecord(SampleRecord());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    RecordBytes flipped = bytes;
    flipped[i] ^= 0xFF;
    ASSERT_EQ(DecodeRecord(flipped).error().code, ErrorCode::kStoreCorrupt) << "byte " << i;
  }
}

TEST(StateRecordCodec, RefusesSectorsOfTwoWrites) {
  StateRecord record = SampleRecord();
  const RecordBytes older = EncodeRecord(record);
  record.gen += 1;
  record.bad_artifacts.back() = FilledDigest(0xEE);
  const RecordBytes newer = EncodeRecord(record);
  for (unsigned kept = 1; kept < 255; ++kept) {  // bit i: sector i is the newer one
    RecordBytes torn = older;
    for (std::size_t i = 0; i < 8; ++i) {
      if ((kept >> i & 1U) == 0) continue;
      std::copy_n(newer.begin() + static_cast<std::ptrdiff_t>(i * kSectorBytes), kSectorBytes,
                  torn.begin() + static_cast<std::ptrdiff_t>(i * kSectorBytes));
    }
    const Result<StateRecord> decoded = DecodeRecord(torn);
    // Sectors that are equal in both do not count as torn.
    if (torn == older || torn == newer) continue;
    ASSERT_FALSE(decoded) << "sectors " << kept;
  }
}

TEST(StateRecordCodec, RefusesRecordsThatItWouldNotWriteThoughAllSumsAreRight) {
  const RecordBytes bytes = EncodeRecord(SampleRecord());
  ASSERT_TRUE(DecodeRecord(WithPayloadByte(bytes, 8, 1))) << "a gen is free";
  const std::vector<std::pair<const char*, std::size_t>> fields = {
      {"magic", 0},
      {"format", 4},
      {"active", 16},
      {"fallback", 17},
      {"phase", 18},
      {"slot a's state", 19},
      {"release length", 96},
      {"release padding", 160},
      {"the rest", kPayloadBytes - Digest::kSize - 1}};
  for (const auto& [name, at] : fields) {
    const Result<StateRecord> decoded = DecodeRecord(WithPayloadByte(bytes, at, 0xE7));
    ASSERT_FALSE(decoded) << name;
    EXPECT_EQ(decoded.error().code, ErrorCode::kStoreCorrupt) << name;
  }
}

TEST(StateRecordCodec, WhatItAcceptsItWritesTheSameWay) {
  const RecordBytes bytes = EncodeRecord(SampleRecord());
  for (std::size_t at = 0; at < kPayloadBytes - Digest::kSize; ++at) {
    const RecordBytes changed = WithPayloadByte(bytes, at, 0x01);
    const Result<StateRecord> decoded = DecodeRecord(changed);
    if (!decoded) continue;
    ASSERT_EQ(EncodeRecord(*decoded), changed) << "payload byte " << at;
  }
}

TEST(StateRecordCodecDeathTest, TreatsAFieldThatDoesNotFitAsABug) {
  StateRecord record = SampleRecord();
  record.slots[1].release = std::string(limits::kIdMax + 1, 'x');
  EXPECT_DEATH(EncodeRecord(record), "check failed");
  record = SampleRecord();
  record.bad_artifacts.emplace_back();
  EXPECT_DEATH(EncodeRecord(record), "check failed");
}

TEST(SelectNewest, TakesTheHigherGenOfTwoValidCopies) {
  StateRecord older, newer;
  older.gen = 41;
  newer.gen = 42;
  const auto newest_first = SelectNewest(EncodeRecord(newer), EncodeRecord(older));
  ASSERT_TRUE(newest_first);
  EXPECT_EQ(newest_first->copy, 0);
  EXPECT_EQ(newest_first->record.gen, 42U);
  const auto newest_second = SelectNewest(EncodeRecord(older), EncodeRecord(newer));
  ASSERT_TRUE(newest_second);
  EXPECT_EQ(newest_second->copy, 1);
  EXPECT_EQ(newest_second->record.gen, 42U);
}

TEST(SelectNewest, A31_FallsBackToTheOtherCopyForEveryFlippedByte) {
  StateRecord older, newer;
  older.gen = 41;
  newer.gen = 42;
  const RecordBytes good = EncodeRecord(older);
  for (std::size_t i = 0; i < kRecordBytes; ++i) {
    RecordBytes rotten = EncodeRecord(newer);
    rotten[i] ^= 0x01;
    const auto newest = SelectNewest(good, rotten);
    ASSERT_TRUE(newest) << "byte " << i;
    ASSERT_EQ(newest->record, older) << "byte " << i;
  }
}

TEST(SelectNewest, FindsNothingInTwoBadCopies) {
  EXPECT_FALSE(SelectNewest(Bytes(kRecordBytes), Bytes(kRecordBytes, 0xFF)));
  EXPECT_FALSE(SelectNewest({}, {}));
}

}  // namespace
}  // namespace sluice::device
