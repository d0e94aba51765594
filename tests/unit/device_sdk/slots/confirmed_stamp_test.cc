#include "device_sdk/slots/confirmed_stamp.h"

#include <gtest/gtest.h>

#include "tests/unit/device_sdk/slots/sample_record.h"

namespace sluice::device {
namespace {

TEST(ConfirmedStamp, KeepsTheSlotAndTheNumbersThatMustNotGoBack) {
  const StateRecord record = SampleRecord();
  const auto decoded = DecodeStamp(EncodeStamp({record.slots[1], record}));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->slot.state, SlotState::kGood);
  EXPECT_EQ(decoded->slot.manifest, record.slots[1].manifest);
  EXPECT_EQ(decoded->slot.artifact, record.slots[1].artifact);
  EXPECT_EQ(decoded->slot.size_bytes, record.slots[1].size_bytes);
  EXPECT_EQ(decoded->slot.security_epoch, record.slots[1].security_epoch);
  EXPECT_EQ(decoded->slot.release, record.slots[1].release);

  StateRecord numbers;
  numbers.gen = record.gen;
  numbers.floor_epoch = record.floor_epoch;
  numbers.directive = record.directive;
  numbers.directive_digest = record.directive_digest;
  numbers.order = record.order;
  numbers.order_digest = record.order_digest;
  numbers.freshness = record.freshness;
  numbers.engine_epoch = record.engine_epoch;
  numbers.secure_time_floor_ms = record.secure_time_floor_ms;
  numbers.root_version = record.root_version;
  numbers.revocation_version = record.revocation_version;
  numbers.revocation_digest = record.revocation_digest;
  numbers.activation = record.activation;
  numbers.boot = record.boot;
  EXPECT_EQ(decoded->numbers, numbers);
}

TEST(ConfirmedStamp, A31_IsNoStampWithAnyByteFlipped) {
  const StampBytes bytes = EncodeStamp({SampleRecord().slots[0], SampleRecord()});
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    StampBytes flipped = bytes;
    flipped[i] ^= 0x80;
    ASSERT_FALSE(DecodeStamp(flipped)) << "byte " << i;
  }
}

TEST(ConfirmedStamp, IsNoStampWhenCleared) {
  EXPECT_FALSE(DecodeStamp(Bytes(kSectorBytes)));
  EXPECT_FALSE(DecodeStamp({}));
}

}  // namespace
}  // namespace sluice::device
