#include "rollout_engine/payload/lowrank_fit.h"

#include <gtest/gtest.h>

#include "common/payload/lowrank_predictor.h"
#include "tests/support/sample_elements.h"

namespace sluice {
namespace {

constexpr std::size_t kRows = 60;
constexpr std::uint32_t kColumns = 300;

struct Matrix {
  ElementKind kind = ElementKind::kF32;
  Bytes old_elements, elements;

  [[nodiscard]] MatrixPair pair() const { return {kind, kColumns, old_elements, elements}; }
};

Matrix LowrankMatrix(ElementKind kind, std::size_t rank) {
  Matrix matrix{kind, ElementBytes(kind, 1, kRows * kColumns), {}};
  matrix.elements = LowrankElements(kind, matrix.old_elements, 2, kRows, rank);
  return matrix;
}

Matrix Retrained(ElementKind kind) {
  Matrix matrix{kind, ElementBytes(kind, 1, kRows * kColumns), {}};
  matrix.elements = ElementBytes(kind, 9, kRows * kColumns);
  return matrix;
}

// Mean distance of the elements from `from` row `first_row` on, in steps to the next float.
double MeanDistance(const Matrix& matrix, const Bytes& from, std::uint64_t begin) {
  double sum = 0;
  std::size_t count = 0;
  WithKind(matrix.kind, [&](auto kind) {
    for (std::size_t at = begin; at < from.size(); at += ElementWidth(kind()), ++count) {
      sum +=
          std::abs(static_cast<double>(Ordered<kind()>(LoadElement<kind()>(&from[at]))) -
                   static_cast<double>(Ordered<kind()>(LoadElement<kind()>(&matrix.elements[at]))));
    }
  });
  return sum / static_cast<double>(count);
}

// A few rows more average the rounding of the named ones.
TEST(RankOfChanges, IsThatOfTheUpdateAndAFewForEveryKindOfFloat) {
  for (const ElementKind kind : {ElementKind::kF32, ElementKind::kF16, ElementKind::kBf16}) {
    for (const std::size_t rank : {1u, 4u, 8u}) {
      const std::uint32_t found = RankOfChanges(LowrankMatrix(kind, rank).pair());
      EXPECT_GE(found, rank) << KindName(kind);
      EXPECT_LE(found, rank + 4) << KindName(kind);
    }
  }
  EXPECT_EQ(RankOfChanges(LowrankMatrix(ElementKind::kF32, 16).pair()), 16u);
}

TEST(RankOfChanges, IsNoneWhereNothingOrEverythingChanged) {
  Matrix same = LowrankMatrix(ElementKind::kF32, 4);
  same.elements = same.old_elements;
  EXPECT_EQ(RankOfChanges(same.pair()), 0u);
  EXPECT_EQ(RankOfChanges(Retrained(ElementKind::kF32).pair()), 0u);
  EXPECT_EQ(RankOfChanges(LowrankMatrix(ElementKind::kF32, 30).pair()), 0u);
  Matrix sparse = Retrained(ElementKind::kF32);
  const Bytes trained = sparse.elements;
  sparse.elements = sparse.old_elements;
  for (std::size_t at = 0; at < trained.size(); at += 92) {
    std::copy_n(trained.begin() + static_cast<std::ptrdiff_t>(at), 4,
                sparse.elements.begin() + static_cast<std::ptrdiff_t>(at));
  }
  EXPECT_EQ(RankOfChanges(sparse.pair()), 0u);
}

TEST(RankOfChanges, IsNoneOfAFewRowsOrColumns) {
  const Matrix matrix = LowrankMatrix(ElementKind::kF32, 1);
  MatrixPair pair = matrix.pair();
  pair.old_elements = pair.old_elements.first(7 * pair.row_bytes());
  pair.elements = pair.elements.first(7 * pair.row_bytes());
  EXPECT_EQ(RankOfChanges(pair), 0u);
  MatrixPair narrow = matrix.pair();
  narrow.row_elements = 15;
  EXPECT_EQ(RankOfChanges(narrow), 0u);
}

TEST(FitLowrank, LeavesARoundingOrTwoOfWhatChanged) {
  for (const ElementKind kind : {ElementKind::kF32, ElementKind::kF16, ElementKind::kBf16}) {
    const Matrix matrix = LowrankMatrix(kind, 4);
    const MatrixPair pair = matrix.pair();
    // From the middle of row 20 to the middle of row 59.
    const std::uint64_t begin = 20 * pair.row_bytes() + 100 * ElementWidth(kind);
    const std::uint64_t end = pair.elements.size() - 100 * ElementWidth(kind);
    auto op = FitLowrank(pair, begin, end);
    ASSERT_TRUE(op) << KindName(kind);
    EXPECT_GE(op->rows.count, 4u);
    EXPECT_EQ(op->rows.column, 100u);
    EXPECT_EQ(op->rows.fraction_bits == 0, kind == ElementKind::kF32);
    op->base_offset = begin;
    op->length = static_cast<std::uint32_t>(end - begin);
    ASSERT_EQ(op->coefficients.size(), op->rows.CoefficientBytes(op->length / ElementWidth(kind)));

    Bytes expected(matrix.old_elements.begin(),
                   matrix.old_elements.begin() + static_cast<std::ptrdiff_t>(end));
    const double before = MeanDistance(matrix, expected, begin);
    const MemorySource base(matrix.old_elements), output(matrix.elements),
        coefficients(op->coefficients);
    LowrankPredictor predictor(base, output);
    ASSERT_TRUE(
        predictor.Predict(*op, {coefficients, 0, begin}, 0, std::span(expected).subspan(begin)));
    const double after = MeanDistance(matrix, expected, begin);
    // Elements near 0 are far from each other in these steps.
    EXPECT_LT(after, before / 10) << KindName(kind);
  }
}

TEST(FitLowrank, NamesNothingBeforeTheFirstRowIsWhole) {
  const Matrix matrix = LowrankMatrix(ElementKind::kF32, 4);
  const MatrixPair pair = matrix.pair();
  EXPECT_FALSE(FitLowrank(pair, 0, pair.elements.size()));
  EXPECT_FALSE(FitLowrank(pair, 400, pair.elements.size()));
  EXPECT_TRUE(FitLowrank(pair, 4 * pair.row_bytes(), pair.elements.size()));
}

TEST(FitLowrank, StandsRowsThatAreAlikeAndElementsThatAreNotFinite) {
  Matrix matrix = LowrankMatrix(ElementKind::kF32, 2);
  const MatrixPair pair = matrix.pair();
  const auto row_at = [&](Bytes& bytes, std::size_t row) {
    return bytes.begin() + static_cast<std::ptrdiff_t>(row * pair.row_bytes());
  };
  for (std::size_t row = 1; row < 20; ++row) {
    std::copy_n(row_at(matrix.old_elements, 0), pair.row_bytes(), row_at(matrix.old_elements, row));
    std::copy_n(row_at(matrix.elements, row % 2), pair.row_bytes(), row_at(matrix.elements, row));
  }
  StoreLe(matrix.elements.data() + 40, 0x7F800000u);
  StoreLe(matrix.old_elements.data() + 80, 0x7FC00000u);
  const auto op = FitLowrank(pair, 20 * pair.row_bytes(), pair.elements.size());
  ASSERT_TRUE(op);
  EXPECT_LE(op->rows.count, 3u);
}

}  // namespace
}  // namespace sluice
