// What no encoder of ours writes: every lie an ELEM or QDELTA block can tell.
#include <gtest/gtest.h>

#include "common/payload/elem_ops.h"
#include "common/payload/varint.h"
#include "tests/support/sample_elements.h"
#include "tests/unit/common/payload/encoded_blocks.h"

namespace sluice {
namespace {

using Type = ElemOp::Type;

constexpr std::size_t kBaseSize = 1'000;

const Bytes& Base() {
  static const Bytes base = NoiseBytes(1, kBaseSize);
  return base;
}

Bytes Count(std::uint16_t count) {
  Bytes bytes;
  AppendLe(bytes, count);
  return bytes;
}

Bytes Op(const ElemOp& op) {
  Bytes bytes;
  std::uint64_t expected_base = 0;
  AppendElemOp(bytes, op, expected_base);
  return bytes;
}

Bytes CopyOp(std::uint64_t base_offset, std::uint32_t length) {
  return Op({Type::kCopy, ElementKind::kBytes, length, base_offset, 0});
}
Bytes DeltaOp(ElementKind kind, std::uint32_t length) {
  return Op({Type::kDelta, kind, length, 0, 0});
}
Bytes LiteralOp(ElementKind kind, std::uint32_t length) {
  return Op({Type::kLiteral, kind, length, 0, 0});
}
Bytes StepsOp(ElementKind kind, std::uint32_t length, float step) {
  return Op({Type::kQdelta, kind, length, 0, step});
}
// What the range coder makes of nothing but 0 bits for a few elements.
Bytes Coder(std::initializer_list<std::uint8_t> code = {0, 0, 0, 0}) {
  return Joined({{0}, Bytes(code)});
}

ErrorCode CodeOf(Codec codec, const Bytes& block, std::size_t length) {
  const auto decoded = DecodeGuarded(codec, MemoryClass::kM, block, Base(), {}, length);
  return decoded ? ErrorCode::kOk : decoded.error().code;
}
ErrorCode CodeOf(const Bytes& block, std::size_t length) {
  return CodeOf(Codec::kElem, block, length);
}

TEST(ElemBlock, OfCopiesHasNoCoder) {
  EXPECT_EQ(CodeOf(Joined({Count(1), CopyOp(900, 100)}), 100), ErrorCode::kOk);
  EXPECT_EQ(CodeOf(Joined({Count(1), CopyOp(900, 100), {0}}), 100), ErrorCode::kDeltaCorrupt);
}

TEST(ElemBlock, IsRefusedWithNoOrTooManyOperations) {
  EXPECT_EQ(CodeOf({}, 100), ErrorCode::kDeltaCorrupt);
  EXPECT_EQ(CodeOf({1}, 100), ErrorCode::kDeltaCorrupt);
  EXPECT_EQ(CodeOf(Count(0), 100), ErrorCode::kDeltaCorrupt);
  Bytes block = Count(1'024);
  for (int i = 0; i < 1'024; ++i) Append(block, CopyOp(0, 1));
  // Each operation's base offset is told as if it were the first: expected_base moves by one.
  EXPECT_EQ(CodeOf(block, 1'024), ErrorCode::kDeltaCorrupt) << "the base has 1,000 bytes";
  Bytes many = Count(1'025);
  for (int i = 0; i < 1'025; ++i) Append(many, CopyOp(0, 1));
  EXPECT_EQ(CodeOf(many, 1'025), ErrorCode::kDeltaOps);
}

TEST(ElemBlock, IsRefusedWhenItsOperationsAreCutOff) {
  const Bytes whole = Joined({Count(2), CopyOp(500, 100), StepsOp(ElementKind::kF32, 400, 0.5F)});
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(
        CodeOf(Codec::kQdelta, Bytes(whole.begin(), whole.begin() + static_cast<int>(length)), 500),
        ErrorCode::kDeltaCorrupt)
        << length;
  }
}

TEST(ElemBlock, IsRefusedUnlessItsLengthsAddUpToTheOutput) {
  const Bytes block = Joined({Count(2), CopyOp(0, 50), CopyOp(0, 50)});
  EXPECT_EQ(CodeOf(block, 100), ErrorCode::kOk);
  EXPECT_EQ(CodeOf(block, 101), ErrorCode::kDeltaCorrupt);
  EXPECT_EQ(CodeOf(block, 99), ErrorCode::kDeltaBomb);
  // 4 GiB in all, were it counted in 32 bits.
  const Bytes wrap = Joined({Count(2), LiteralOp(ElementKind::kBytes, UINT32_MAX),
                             LiteralOp(ElementKind::kBytes, 101), Coder()});
  EXPECT_EQ(CodeOf(wrap, 100), ErrorCode::kDeltaBomb);
}

TEST(ElemBlock, ReadsNothingOutsideTheBase) {
  EXPECT_EQ(CodeOf(Joined({Count(1), CopyOp(kBaseSize - 100, 100)}), 100), ErrorCode::kOk);
  for (const std::uint64_t offset :
       {std::uint64_t{kBaseSize} - 99, std::uint64_t{kBaseSize} + 1, UINT64_MAX, UINT64_MAX - 99}) {
    EXPECT_EQ(CodeOf(Joined({Count(1), CopyOp(offset, 100)}), 100), ErrorCode::kDeltaCorrupt)
        << offset;
  }
}

TEST(ElemBlock, IsRefusedWhenAnOperationIsNoRowOfElements) {
  EXPECT_EQ(CodeOf(Joined({Count(1), CopyOp(0, 0)}), 100), ErrorCode::kDeltaCorrupt);
  EXPECT_EQ(CodeOf(Joined({Count(1), DeltaOp(ElementKind::kF32, 99), Coder()}), 99),
            ErrorCode::kDeltaCorrupt);
  EXPECT_EQ(CodeOf(Joined({Count(1), DeltaOp(ElementKind::kBytes, 100), Coder()}), 100),
            ErrorCode::kDeltaCorrupt);
  for (const unsigned head : {0x07u, 0x0Fu, 0x40u, 0xF0u}) {
    const Bytes op = {static_cast<std::uint8_t>(head), 100, 0};
    EXPECT_EQ(CodeOf(Codec::kQdelta, Joined({Count(1), op, Coder()}), 100),
              ErrorCode::kDeltaCorrupt)
        << head;
  }
  // The number 100 in two bytes and in three.
  EXPECT_EQ(CodeOf(Joined({Count(1), {0x05, 0xE4, 0x00}, {0}}), 100), ErrorCode::kDeltaCorrupt);
}

TEST(QdeltaBlock, HasStepsOfEightBitsForFloatsAndElemBlocksHaveNone) {
  const auto block = [](ElementKind kind, float step) {
    return Joined({Count(1), StepsOp(kind, 8, step), Coder({0x10, 0, 0, 0})});
  };
  EXPECT_EQ(CodeOf(Codec::kQdelta, block(ElementKind::kF32, 0.5F), 8), ErrorCode::kOk);
  EXPECT_EQ(CodeOf(Codec::kElem, block(ElementKind::kF32, 0.5F), 8), ErrorCode::kDeltaCorrupt);
  EXPECT_EQ(CodeOf(Codec::kQdelta, block(ElementKind::kI32, 0.5F), 8), ErrorCode::kDeltaCorrupt);
  for (const float step : {0.0F, -0.5F, std::numeric_limits<float>::infinity(),
                           std::numeric_limits<float>::quiet_NaN(), 0x1.01p0F, 0.1F}) {
    EXPECT_EQ(CodeOf(Codec::kQdelta, block(ElementKind::kF32, step), 8), ErrorCode::kDeltaCorrupt)
        << step;
  }
  EXPECT_EQ(CodeOf(Codec::kQdelta, block(ElementKind::kF32, 0x1.FEp0F), 8), ErrorCode::kOk);
}

// Of 4 rows of 10 f32 elements in the output and in the base; the block goes on with four elements.
constexpr LowrankRows kTwoRows{
    .row_elements = 10, .column = 0, .count = 2, .fraction_bits = 0, .back = {1, 4}};
constexpr std::size_t kRowsBefore = 160;

ErrorCode CodeOfRows(const LowrankRows& rows, std::uint64_t base_offset = kRowsBefore,
                     ElementKind kind = ElementKind::kF32, std::size_t coefficient_bytes = 8,
                     Codec codec = Codec::kLowrank) {
  const std::uint32_t length = 4 * ElementWidth(kind);
  ElemOp op{.type = Type::kLowrank, .kind = kind, .length = length, .base_offset = base_offset};
  op.rows = rows;
  op.coefficients = Bytes(coefficient_bytes);
  Bytes block = Count(1);
  std::uint64_t expected_base = kRowsBefore;
  AppendElemOp(block, op, expected_base);
  const auto decoded = DecodeGuarded(codec, MemoryClass::kM, Joined({block, Coder()}), Base(),
                                     NoiseBytes(2, kRowsBefore), length);
  return decoded ? ErrorCode::kOk : decoded.error().code;
}

LowrankRows Changed(LowrankRows rows, void (*change)(LowrankRows&)) {
  change(rows);
  return rows;
}

TEST(LowrankBlock, NamesRowsThatLieBeforeItInOutputAndBase) {
  EXPECT_EQ(CodeOfRows(kTwoRows), ErrorCode::kOk);
  const std::vector<LowrankRows> bad = {
      Changed(kTwoRows, [](LowrankRows& rows) { rows.back[0] = 0; }),
      Changed(kTwoRows, [](LowrankRows& rows) { rows.back[1] = 5; }),
      Changed(kTwoRows, [](LowrankRows& rows) { rows.back[0] = UINT32_MAX; }),
      Changed(kTwoRows, [](LowrankRows& rows) { rows.row_elements = 11; }),
      Changed(kTwoRows, [](LowrankRows& rows) { rows.row_elements = UINT32_MAX; }),
      Changed(kTwoRows, [](LowrankRows& rows) { rows.row_elements = 0; }),
      Changed(kTwoRows, [](LowrankRows& rows) { rows.column = 10; }),
      Changed(kTwoRows, [](LowrankRows& rows) { rows.column = 1; }),  // the fourth ends outside
      Changed(kTwoRows, [](LowrankRows& rows) { rows.count = 0; }),
      Changed(kTwoRows, [](LowrankRows& rows) { rows.fraction_bits = 31; }),
  };
  for (const LowrankRows& rows : bad) {
    EXPECT_EQ(CodeOfRows(rows), ErrorCode::kDeltaCorrupt) << &rows - bad.data();
  }
  EXPECT_EQ(CodeOfRows(kTwoRows, kRowsBefore - 1), ErrorCode::kDeltaCorrupt) << "base";
  EXPECT_EQ(CodeOfRows(kTwoRows, kBaseSize - 16), ErrorCode::kOk);
  EXPECT_EQ(CodeOfRows(kTwoRows, kBaseSize - 15), ErrorCode::kDeltaCorrupt);
  LowrankRows many = kTwoRows;
  many.back.fill(1);
  many.count = kLowrankRowsMax;
  EXPECT_EQ(CodeOfRows(many, kRowsBefore, ElementKind::kF32, 64), ErrorCode::kOk);
  many.count = kLowrankRowsMax + 1;
  EXPECT_EQ(CodeOfRows(many, kRowsBefore, ElementKind::kF32, 68), ErrorCode::kDeltaCorrupt);
}

TEST(LowrankBlock, HoldsACoefficientForEachRowItTouchesAndNames) {
  for (const std::size_t bytes : {0u, 7u, 9u, 16u}) {
    EXPECT_EQ(CodeOfRows(kTwoRows, kRowsBefore, ElementKind::kF32, bytes), ErrorCode::kDeltaCorrupt)
        << bytes;
  }
  const LowrankRows halves = Changed(kTwoRows, [](LowrankRows& rows) { rows.fraction_bits = 30; });
  EXPECT_EQ(CodeOfRows(halves, kRowsBefore, ElementKind::kF32, 4), ErrorCode::kOk);
  EXPECT_EQ(CodeOfRows(halves, kRowsBefore, ElementKind::kF16, 4), ErrorCode::kOk);
  // Two elements of a row and two of the next.
  const LowrankRows middle = Changed(kTwoRows, [](LowrankRows& rows) {
    rows.column = 8;
    rows.back[1] = 3;
  });
  EXPECT_EQ(CodeOfRows(middle, kRowsBefore, ElementKind::kF32, 16), ErrorCode::kOk);
}

TEST(LowrankBlock, IsForFloatsAndOtherBlocksHaveNone) {
  EXPECT_EQ(CodeOfRows(kTwoRows, kRowsBefore, ElementKind::kI32), ErrorCode::kDeltaCorrupt);
  for (const Codec codec : {Codec::kElem, Codec::kQdelta}) {
    EXPECT_EQ(CodeOfRows(kTwoRows, kRowsBefore, ElementKind::kF32, 8, codec),
              ErrorCode::kDeltaCorrupt);
  }
}

TEST(LowrankBlock, IsRefusedWhenItsOperationsAreCutOff) {
  const ElemOp op{.type = Type::kLowrank,
                  .kind = ElementKind::kF32,
                  .length = 40,
                  .base_offset = kRowsBefore,
                  .rows = kTwoRows,
                  .coefficients = Bytes(8)};
  const Bytes whole = Joined({Count(1), Op(op)});
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto decoded =
        DecodeGuarded(Codec::kLowrank, MemoryClass::kM, ByteView(whole).first(length), Base(),
                      Bytes(kRowsBefore), 40);
    ASSERT_FALSE(decoded) << length;
    EXPECT_EQ(decoded.error().code, ErrorCode::kDeltaCorrupt) << length;
  }
}

TEST(ElemBlock, IsRefusedUnlessTheCoderTakesAllBytesAndNoMore) {
  for (const ElemSample& sample : ElemSamples()) {
    if (sample.ops.front().type == Type::kCopy) continue;
    const Bytes block = EncodedSample(sample);
    const auto code_of = [&](const Bytes& bytes) {
      const auto decoded = DecodeGuarded(sample.codec, MemoryClass::kM, bytes, sample.base,
                                         sample.output, sample.content.size());
      return decoded ? ErrorCode::kOk : decoded.error().code;
    };
    EXPECT_EQ(code_of(block), ErrorCode::kOk) << sample.name;
    EXPECT_EQ(code_of(Joined({block, {0}})), ErrorCode::kDeltaCorrupt) << sample.name;
    EXPECT_EQ(code_of(Bytes(block.begin(), block.end() - 1)), ErrorCode::kDeltaCorrupt)
        << sample.name;
  }
}

TEST(ElemBlock, StartsItsCoderWithAZero) {
  const Bytes ops = Joined({Count(1), DeltaOp(ElementKind::kI8, 4)});
  EXPECT_EQ(CodeOf(Joined({ops, {0, 0, 0, 0, 0}}), 4), ErrorCode::kOk);
  EXPECT_EQ(CodeOf(Joined({ops, {1, 0, 0, 0, 0}}), 4), ErrorCode::kDeltaCorrupt);
}

// The longest codes lead to the largest bit lengths, 33 to 63: the models end before these.
TEST(ElemBlock, IsRefusedWhenADifferenceHasMoreBitsThanItsElements) {
  for (const ElementKind kind : kElementKindsAll) {
    if (kind == ElementKind::kBytes) continue;
    const Bytes block =
        Joined({Count(1), DeltaOp(kind, 16), Coder({0xFF, 0xFF, 0xFF, 0xFF}), Bytes(40, 0xFF)});
    EXPECT_EQ(CodeOf(block, 16), ErrorCode::kDeltaCorrupt) << KindName(kind);
  }
}

TEST(ElemBlock, IsRefusedWhenRawBitsAreOutOfRange) {
  // After 8 adaptive bits of an exponent, a sign and a mantissa: a code at the range's very end.
  const Bytes block = Joined({Count(1), LiteralOp(ElementKind::kF32, 400),
                              Coder({0xFF, 0xFF, 0xFF, 0xFF}), Bytes(500, 0xFF)});
  EXPECT_EQ(CodeOf(block, 400), ErrorCode::kDeltaCorrupt);
}

}  // namespace
}  // namespace sluice
