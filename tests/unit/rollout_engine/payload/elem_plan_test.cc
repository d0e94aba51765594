#include "rollout_engine/payload/elem_plan.h"

#include <gtest/gtest.h>

#include "rollout_engine/payload/snap.h"
#include "tests/support/sample_elements.h"

namespace sluice {
namespace {

using Type = ElemOp::Type;

constexpr std::uint64_t kKeepAll = 1;
constexpr std::uint64_t kKeepNone = UINT32_MAX;

ExtentList AllLiteral(const Bytes& artifact) { return {{0, artifact.size(), std::nullopt}}; }

std::vector<Type> TypesOf(const ElemOpList& ops) {
  std::vector<Type> types;
  for (const ElemOp& op : ops) types.push_back(op.type);
  return types;
}

std::uint64_t LengthOf(const ElemOpList& ops) {
  std::uint64_t length = 0;
  for (const ElemOp& op : ops) length += op.length;
  return length;
}

TEST(ElemPlan, TakesDifferencesWhereTheyAreShorterAndElementsAloneElsewhere) {
  const Bytes base = ElementBytes(ElementKind::kF32, 1, 2'000);
  Bytes artifact =
      MovedElements(ElementKind::kF32, Bytes(base.begin(), base.begin() + 4'000), 2, 12);
  Append(artifact, ElementBytes(ElementKind::kF32, 3, 1'000));  // trained anew
  const ElemPlan plan(
      {base,
       artifact,
       AllLiteral(artifact),
       {{0, 4'000, ElementKind::kF32, 0}, {4'000, 4'000, ElementKind::kF32, 4'000}}},
      2);
  const ElemOpList ops = plan.Ops(0, artifact.size(), kKeepAll, Codec::kQdelta);
  ASSERT_EQ(TypesOf(ops), (std::vector<Type>{Type::kDelta, Type::kLiteral}));
  EXPECT_EQ(ops[1].kind, ElementKind::kF32);
}

TEST(ElemPlan, CodesElementsThatABlockCutsAsBytes) {
  const Bytes base = ElementBytes(ElementKind::kF32, 1, 1'000);
  const Bytes artifact = MovedElements(ElementKind::kF32, base, 2, 12);
  const ElemPlan plan(
      {base, artifact, AllLiteral(artifact), {{0, artifact.size(), ElementKind::kF32, 0}}}, 1);
  const ElemOpList ops = plan.Ops(1'001, 2'002, kKeepAll, Codec::kQdelta);
  ASSERT_EQ(TypesOf(ops), (std::vector<Type>{Type::kLiteral, Type::kDelta, Type::kLiteral}));
  EXPECT_EQ(ops[0].kind, ElementKind::kBytes);
  EXPECT_EQ(ops[0].length, 3u);
  EXPECT_EQ(ops[1].base_offset, 1'004u);
  EXPECT_EQ(ops[1].length, 996u);
  EXPECT_EQ(ops[2].length, 2u);
}

TEST(ElemPlan, LeavesShortCopiesInPlaceToTheDifferencesAndKeepsMovedOnes) {
  const Bytes base = ElementBytes(ElementKind::kF32, 1, 2'000);
  const Bytes artifact = MovedElements(ElementKind::kF32, base, 2, 12);
  // One copy from the old elements' own place, cut within elements, and one from elsewhere.
  const ExtentList extents = {{0, 1'001, std::nullopt},
                              {1'001, 510, 1'001},
                              {1'511, 2'000, std::nullopt},
                              {3'511, 401, 7},
                              {3'912, 4'088, std::nullopt}};
  const ElemPlan plan({base, artifact, extents, {{0, 8'000, ElementKind::kF32, 0}}}, 1);
  const ElemOpList kept = plan.Ops(0, 8'000, kKeepAll, Codec::kQdelta);
  ASSERT_EQ(TypesOf(kept), (std::vector<Type>{Type::kDelta, Type::kCopy, Type::kDelta, Type::kCopy,
                                              Type::kDelta}));
  EXPECT_EQ(kept[1].base_offset, 1'004u);
  EXPECT_EQ(kept[1].length, 1'508u - 1'004u);
  EXPECT_EQ(kept[3].base_offset, 7u + 1);
  EXPECT_EQ(LengthOf(kept), 8'000u);
  const ElemOpList left = plan.Ops(0, 8'000, kKeepNone, Codec::kQdelta);
  EXPECT_EQ(TypesOf(left), (std::vector<Type>{Type::kDelta, Type::kCopy, Type::kDelta}));
  EXPECT_EQ(LengthOf(left), 8'000u);
}

TEST(ElemPlan, FindsTheStepsOfASnappedTensorAndCodesTheRestAsDifferences) {
  const float step = *SnapStep(1e-4, 1.0);
  const Bytes base = ElementBytes(ElementKind::kF32, 1, 5'000);
  Bytes artifact = SteppedElements(ElementKind::kF32, base, 2, step);
  StoreLe(&artifact[4'000], 0x7FC00000u);  // one element that no step leads to
  const ElemPlan plan({base, artifact, AllLiteral(artifact), {{0, 20'000, ElementKind::kF32, 0}}},
                      1);
  EXPECT_TRUE(plan.HasSteps(0, 100));
  const ElemOpList ops = plan.Ops(0, 20'000, kKeepAll, Codec::kQdelta);
  ASSERT_EQ(TypesOf(ops), (std::vector<Type>{Type::kQdelta, Type::kDelta, Type::kQdelta}));
  EXPECT_EQ(ops[0].step, step);
  EXPECT_EQ(ops[1].length, 4u);
  EXPECT_EQ(TypesOf(plan.Ops(0, 20'000, kKeepAll, Codec::kElem)), std::vector<Type>{Type::kDelta});
}

TEST(ElemPlan, SendsTheFirstRowsOfALowRankUpdateAsDifferencesAndTheOthersFromThem) {
  constexpr std::size_t kRows = 200, kColumns = 100, kRank = 3;
  const Bytes base = ElementBytes(ElementKind::kF32, 1, kRows * kColumns);
  const Bytes artifact = LowrankElements(ElementKind::kF32, base, 2, kRows, kRank);
  const ElemPlan plan(
      {base,
       artifact,
       AllLiteral(artifact),
       {{0, artifact.size(), ElementKind::kF32, 0, static_cast<std::uint32_t>(kColumns)}}},
      1);
  EXPECT_TRUE(plan.HasRows(0, 100));
  EXPECT_FALSE(plan.HasSteps(0, 100));
  const ElemOpList ops = plan.Ops(0, artifact.size(), kKeepAll, Codec::kLowrank);
  ASSERT_GE(ops.size(), 2u);
  EXPECT_EQ(ops[0].type, Type::kDelta);
  EXPECT_GE(ops[0].length, kRank * kColumns * 4);
  std::uint64_t rows_before = ops[0].length / (kColumns * 4);
  EXPECT_LE(rows_before, 2 * kRank);
  for (std::size_t i = 1; i < ops.size(); ++i) {
    EXPECT_EQ(ops[i].type, Type::kLowrank) << i;
    for (std::uint32_t k = 0; k < ops[i].rows.count; ++k) {
      EXPECT_LE(ops[i].rows.back[k], rows_before) << i;
    }
    rows_before += ops[i].length / (kColumns * 4);
  }
  EXPECT_EQ(LengthOf(ops), artifact.size());
  EXPECT_EQ(TypesOf(plan.Ops(0, artifact.size(), kKeepAll, Codec::kQdelta)).size(), 1u);
}

TEST(ElemPlan, CodesBytesWhereOperationsWouldBeTooMany) {
  // Two kinds in turn, each with an old place of its own: one operation for each.
  const Bytes base = ElementBytes(ElementKind::kI8, 1, 40'000);
  const Bytes artifact = base;
  TensorExtentList tensors;
  for (std::uint64_t at = 0; at + 8 <= artifact.size(); at += 8) {
    tensors.push_back({at, 8, at % 16 == 0 ? ElementKind::kI8 : ElementKind::kI16, at});
  }
  const ElemPlan plan({base, artifact, AllLiteral(artifact), tensors}, 2);
  EXPECT_EQ(plan.Ops(0, 4'000, kKeepAll, Codec::kQdelta).size(), 500u);
  const ElemOpList ops = plan.Ops(0, artifact.size(), kKeepAll, Codec::kQdelta);
  ASSERT_EQ(TypesOf(ops), std::vector<Type>{Type::kLiteral});
  EXPECT_EQ(ops[0].kind, ElementKind::kBytes);
  EXPECT_EQ(ops[0].length, artifact.size());
}

TEST(ElemPlan, CopiesAndSpellsOutWhatBelongsToNoTensor) {
  const Bytes base = NoiseBytes(1, 1'000);
  Bytes artifact = NoiseBytes(2, 100);
  Append(artifact, ByteView(base).subspan(200, 300));
  Append(artifact, ByteView(base).first(20));  // a copy not worth its operation
  const ExtentList extents = {{0, 100, std::nullopt}, {100, 300, 200}, {400, 20, 0}};
  const ElemPlan plan({base, artifact, extents, {}}, 1);
  const ElemOpList ops = plan.Ops(0, 420, kKeepAll, Codec::kQdelta);
  ASSERT_EQ(TypesOf(ops), (std::vector<Type>{Type::kLiteral, Type::kCopy, Type::kLiteral}));
  EXPECT_EQ(ops[1].base_offset, 200u);
  EXPECT_EQ(LengthOf(ops), 420u);
}

}  // namespace
}  // namespace sluice
