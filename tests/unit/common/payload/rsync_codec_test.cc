#include <gtest/gtest.h>

#include "tests/support/sample_models.h"
#include "tests/unit/common/payload/encoded_blocks.h"

namespace sluice {
namespace {

constexpr std::size_t kBaseLength = 1000;
constexpr std::size_t kOutLength = 300;

const Bytes& Base() {
  static const Bytes base = NoiseBytes(1, kBaseLength);
  return base;
}

Result<Bytes> Decode(const Bytes& delta, std::size_t out_length = kOutLength) {
  return DecodeGuarded(Codec::kRsync, MemoryClass::kS, delta, Base(), {}, out_length);
}

void ExpectRefused(const Bytes& delta, ErrorCode code, std::size_t out_length = kOutLength) {
  const auto decoded = Decode(delta, out_length);
  ASSERT_FALSE(decoded) << ToHex(delta);
  EXPECT_EQ(decoded.error().code, code) << decoded.error().Line();
  // The same in a zstd frame, where the class has zstd.
  const auto zipped =
      DecodeGuarded(Codec::kRsyncZstd, MemoryClass::kM, ZstdFrame(delta), Base(), {}, out_length);
  ASSERT_FALSE(zipped);
  EXPECT_TRUE(zipped.error().code == code || zipped.error().code == ErrorCode::kDeltaBomb)
      << zipped.error().Line();
}

TEST(RsyncCodec, BuildsTheBlockFromCopiesAndLiterals) {
  const Bytes literal = NoiseBytes(2, 100);
  const Bytes delta =
      Joined({DeltaMagic(), Copy(2, 900, 1, 100), Literal(literal), Copy(1, 0, 1, 100), End()});
  Bytes expected(Base().begin() + 900, Base().end());
  Append(expected, literal);
  Append(expected, ByteView(Base()).first(100));

  const auto decoded = Decode(delta);
  ASSERT_TRUE(decoded) << decoded.error().Line();
  EXPECT_EQ(*decoded, expected);
  const auto zipped =
      DecodeGuarded(Codec::kRsyncZstd, MemoryClass::kM, ZstdFrame(delta), Base(), {}, kOutLength);
  ASSERT_TRUE(zipped) << zipped.error().Line();
  EXPECT_EQ(*zipped, expected);
}

TEST(RsyncCodec, NeedsNoBaseForLiteralsAlone) {
  const Bytes literal = NoiseBytes(3, kOutLength);
  const auto decoded =
      DecodeGuarded(Codec::kRsync, MemoryClass::kS, Joined({DeltaMagic(), Literal(literal), End()}),
                    {}, {}, kOutLength);
  ASSERT_TRUE(decoded) << decoded.error().Line();
  EXPECT_EQ(*decoded, literal);
}

TEST(RsyncCodec, RefusesCopiesThatLeaveTheBase) {
  const std::vector<Bytes> copies = {
      Copy(4, kBaseLength - kOutLength + 1, 2, kOutLength),  // by one byte
      Copy(4, kBaseLength, 2, kOutLength),
      Copy(4, UINT32_MAX, 2, kOutLength),
      Copy(8, UINT64_MAX, 2, kOutLength),                   // offset + length wraps around
      Copy(8, UINT64_MAX - kOutLength + 1, 8, kOutLength),  // to exactly 0
      Copy(8, std::uint64_t{1} << 63, 2, kOutLength),       // negative to librsync
      Copy(1, 0, 8, UINT64_MAX),                            // length negative to librsync
      Copy(1, 1, 8, std::uint64_t{1} << 63),
      Copy(8, std::uint64_t{1} << 32, 2, kOutLength),  // 0 in 32 bits
  };
  for (const Bytes& copy : copies) {
    ExpectRefused(Joined({DeltaMagic(), copy, End()}), ErrorCode::kDeltaCorrupt);
  }
}

TEST(RsyncCodec, RefusesMoreOutputThanTheBlockHolds) {
  ExpectRefused(Joined({DeltaMagic(), Copy(1, 0, 2, kOutLength + 1), End()}),
                ErrorCode::kDeltaBomb);
  ExpectRefused(Joined({DeltaMagic(), Copy(1, 0, 2, kOutLength), {1, 0}, End()}),
                ErrorCode::kDeltaBomb);
  Bytes many = DeltaMagic();
  for (int i = 0; i < 1000; ++i) Append(many, Copy(1, 0, 2, kBaseLength));
  ExpectRefused(Joined({many, End()}), ErrorCode::kDeltaBomb);
}

TEST(RsyncCodec, RefusesLessOutputThanTheBlockHolds) {
  ExpectRefused(Joined({DeltaMagic(), Copy(1, 0, 2, kOutLength - 1), End()}),
                ErrorCode::kDeltaCorrupt);
  ExpectRefused(Joined({DeltaMagic(), End()}), ErrorCode::kDeltaCorrupt);
}

TEST(RsyncCodec, StopsAtFourThousandNinetySixCommands) {
  const auto one_byte_copies = [](std::size_t count) {
    Bytes delta = DeltaMagic();
    for (std::size_t i = 0; i < count; ++i) Append(delta, Copy(1, i % 250, 1, 1));
    return Joined({delta, End()});
  };
  EXPECT_TRUE(Decode(one_byte_copies(kRsyncCommandsMax), kRsyncCommandsMax));
  const auto refused = Decode(one_byte_copies(kRsyncCommandsMax + 1), kRsyncCommandsMax + 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDeltaOps);
}

TEST(RsyncCodec, RefusesTruncatedDeltasAndBytesAfterTheEnd) {
  const Bytes delta = Joined({DeltaMagic(), Copy(2, 10, 2, 200), Literal(Bytes(100, 5)), End()});
  ASSERT_TRUE(Decode(delta));
  for (std::size_t size = 1; size < delta.size(); ++size) {
    ExpectRefused(Bytes(delta.begin(), delta.begin() + static_cast<std::ptrdiff_t>(size)),
                  ErrorCode::kDeltaCorrupt);
  }
  ExpectRefused(Joined({delta, {0}}), ErrorCode::kDeltaCorrupt);
}

TEST(RsyncCodec, RefusesAZippedDeltaLongerThanItsBlockCanNeed) {
  // Would decode if the intermediate buffer were larger: a bound on memory, not on meaning.
  const Bytes literal(kOutLength, 1);
  Bytes delta = DeltaMagic();
  for (const std::uint8_t byte : literal) Append(delta, Bytes{1, byte});
  const Bytes frame = ZstdFrame(Joined({delta, End()}));
  const auto zipped =
      DecodeGuarded(Codec::kRsyncZstd, MemoryClass::kM, frame, Base(), {}, kOutLength);
  ASSERT_FALSE(zipped);
  EXPECT_EQ(zipped.error().code, ErrorCode::kDeltaBomb);
}

class FailingSource final : public ByteSource {
 public:
  [[nodiscard]] std::uint64_t size() const override { return kBaseLength; }
  Status ReadAt(std::uint64_t /*offset*/, std::span<std::uint8_t> /*out*/) const override {
    return Fail(ErrorCode::kStoreIo, "the disk is gone");
  }
};

TEST(RsyncCodec, PassesOnTheErrorOfABaseThatCannotBeRead) {
  Bytes out(kOutLength);
  const Bytes delta = Joined({DeltaMagic(), Copy(1, 0, 2, kOutLength), End()});
  const Status status = DecodeBlock(Codec::kRsync, MemoryClass::kS, kCodecMaskV1, delta,
                                    FailingSource(), MemorySource({}), out);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error(), (Error{ErrorCode::kStoreIo, "the disk is gone"}));
}

}  // namespace
}  // namespace sluice
