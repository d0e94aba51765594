#include "rollout_engine/payload/lowrank_fit.h"

#include <cmath>

#include "common/payload/element_bits.h"
#include "common/payload/float_formats.h"

namespace sluice {
namespace {

// A first look at a tensor; then, for each operation, at the rows it could name.
constexpr std::uint64_t kRankCandidates = 24;
constexpr std::uint64_t kRankTargets = 12;
constexpr std::uint64_t kRowCandidates = 48;
constexpr std::uint64_t kRowTargets = 12;
constexpr std::uint64_t kSketchColumns = 64;
// More columns than this make coefficients no better than the noise of rounding lets them be.
constexpr std::uint64_t kFitColumns = 2'048;

// Smaller matrices gain less than an operation costs.
constexpr std::uint64_t kRowsMin = 8;
constexpr std::uint32_t kRowElementsMin = 16;
constexpr double kGainMin = 0.15;  // bits an element: less is noise of the sample

// What is left of a row that others span is rounding of double, and no direction of its own.
constexpr double kDependent = 1e-20;  // of its square
constexpr double kGainMax = 24;       // bits an element: all that f32 has
constexpr int kFractionBitsMin = 10;  // i16 coefficients of 16 or more would be too coarse

using Row = std::vector<double>;

double Dot(const Row& a, const Row& b) {
  // Four sums at once: one would wait for each addition.
  std::array<double, 4> sums{};
  const std::size_t fours = a.size() / 4 * 4;
  for (std::size_t i = 0; i < fours; i += 4) {
    for (std::size_t j = 0; j < 4; ++j) sums[j] += a[i + j] * b[i + j];
  }
  for (std::size_t i = fours; i < a.size(); ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void Subtract(Row& from, double times, const Row& row) {
  for (std::size_t i = 0; i < from.size(); ++i) from[i] -= times * row[i];
}

void Scale(Row& row, double factor) {
  for (double& value : row) value *= factor;
}

// The changes of row `index` in `columns` columns spread over it; what is not finite counts as
// unchanged.
Row ChangesOf(const MatrixPair& matrix, std::uint64_t index, std::uint64_t columns) {
  Row changes(columns);
  WithKind(matrix.kind, [&](auto kind) {
    if constexpr (IsFloat(kind())) {
      const std::uint64_t row_at = index * matrix.row_bytes();
      for (std::uint64_t i = 0; i < columns; ++i) {
        const std::uint64_t at = row_at + i * matrix.row_elements / columns * ElementWidth(kind());
        const float change = ElementToFloat(kind(), LoadElement<kind()>(&matrix.elements[at])) -
                             ElementToFloat(kind(), LoadElement<kind()>(&matrix.old_elements[at]));
        changes[i] = std::isfinite(change) ? static_cast<double>(change) : 0;
      }
    }
  });
  return changes;
}

std::uint32_t CoefficientWidth(ElementKind kind) { return kind == ElementKind::kF32 ? 4 : 2; }

// Rows picked one after the other, each the one that those before explain least.
class Pivoting {
 public:
  Pivoting(const MatrixPair& matrix, const std::vector<std::uint64_t>& candidates,
           const std::vector<std::uint64_t>& targets)
      : matrix_(matrix), columns_(std::min<std::uint64_t>(matrix.row_elements, kSketchColumns)) {
    for (const std::uint64_t row : candidates) left_.push_back(ChangesOf(matrix, row, columns_));
    for (const std::uint64_t row : targets) targets_.push_back(ChangesOf(matrix, row, columns_));
    for (const Row& target : targets_) before_.push_back(Dot(target, target));
  }

  /// Indices into the candidates, as many as pay for their coefficients; none if that saves less
  /// than kGainMin.
  std::vector<std::size_t> Run() {
    std::vector<std::size_t> picked;
    std::size_t best_count = 0;
    double best_gain = kGainMin;
    double first_square = 0;
    // A matrix of as many columns is spanned by any rows.
    while (picked.size() < kLowrankRowsMax && 2 * (picked.size() + 1) < columns_) {
      const auto [index, square] = Farthest();
      if (picked.empty()) first_square = square;
      if (square <= first_square * kDependent) break;
      Row direction = left_[index];
      Scale(direction, 1 / std::sqrt(square));
      for (Row& row : left_) Subtract(row, Dot(row, direction), direction);
      for (Row& row : targets_) Subtract(row, Dot(row, direction), direction);
      left_[index].assign(columns_, 0);
      picked.push_back(index);
      const double gain = Gain(picked.size());
      if (gain <= best_gain) continue;
      best_gain = gain;
      best_count = picked.size();
    }
    picked.resize(best_count);
    return picked;
  }

 private:
  [[nodiscard]] std::pair<std::size_t, double> Farthest() const {
    std::pair<std::size_t, double> farthest{0, 0};
    for (std::size_t i = 0; i < left_.size(); ++i) {
      const double square = Dot(left_[i], left_[i]);
      if (square > farthest.second) farthest = {i, square};
    }
    return farthest;
  }

  // Bits an element that the targets save with `count` rows: what is left has so many bits less, of
  // which a coefficient for each row is paid. Fewer columns than a row has flatter the fit.
  [[nodiscard]] double Gain(std::size_t count) const {
    const double columns = static_cast<double>(columns_);
    const double flattery = columns / (columns - static_cast<double>(count));
    double bits = 0;
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (before_[i] == 0) continue;
      const double share = Dot(targets_[i], targets_[i]) * flattery / before_[i];
      bits += std::min(kGainMax, -0.5 * std::log2(std::max(share, 1e-30)));
    }
    const double paid =
        8.0 * CoefficientWidth(matrix_.kind) * static_cast<double>(count) / matrix_.row_elements;
    return bits / static_cast<double>(targets_.size()) - paid;
  }

  const MatrixPair& matrix_;
  const std::uint64_t columns_;
  std::vector<Row> left_;     // of the candidates, what the picked rows do not explain
  std::vector<Row> targets_;  // the same of the targets
  std::vector<double> before_;
};

// Up to `count` of `total` things from `first` on, spread evenly.
std::vector<std::uint64_t> Spread(std::uint64_t first, std::uint64_t total, std::uint64_t count) {
  count = std::min(count, total);
  std::vector<std::uint64_t> indices;
  for (std::uint64_t i = 0; i < count; ++i) indices.push_back(first + i * total / count);
  return indices;
}

// Least squares by Gram-Schmidt, done twice: once leaves rounding behind where rows are alike.
class LeastSquares {
 public:
  explicit LeastSquares(std::vector<Row> rows) : directions_(std::move(rows)) {
    const std::size_t count = directions_.size();
    shares_.assign(count, Row(count));
    for (std::size_t j = 0; j < count; ++j) {
      Row& row = directions_[j];
      const double whole = Dot(row, row);
      for (int pass = 0; pass < 2; ++pass) {
        for (std::size_t i = 0; i < j; ++i) {
          const double share = Dot(directions_[i], row);
          shares_[i][j] += share;
          Subtract(row, share, directions_[i]);
        }
      }
      const double square = Dot(row, row);
      if (square <= whole * kDependent) {
        row.assign(row.size(), 0);
        continue;
      }
      shares_[j][j] = std::sqrt(square);
      Scale(row, 1 / shares_[j][j]);
    }
  }

  /// How much of each row makes `target`; 0 of a row that those before it span.
  [[nodiscard]] Row Solve(Row target) const {
    const std::size_t count = directions_.size();
    Row coefficients(count);
    for (std::size_t i = 0; i < count; ++i) {
      coefficients[i] = Dot(directions_[i], target);
      Subtract(target, coefficients[i], directions_[i]);
    }
    for (std::size_t i = count; i-- > 0;) {
      for (std::size_t j = i + 1; j < count; ++j) {
        coefficients[i] -= shares_[i][j] * coefficients[j];
      }
      coefficients[i] = shares_[i][i] == 0 ? 0 : coefficients[i] / shares_[i][i];
    }
    return coefficients;
  }

 private:
  std::vector<Row> directions_;  // orthonormal; zeros for a row without a direction of its own
  std::vector<Row> shares_;      // the triangle that makes rows of directions
};

// Of 16-bit kinds i16 coefficients say all that rounding leaves of them. Returns the bits behind
// the point; 0: f32 it is.
std::uint8_t FractionBitsFor(ElementKind kind, const Row& coefficients) {
  double largest = 0;
  for (const double coefficient : coefficients) largest = std::max(largest, std::abs(coefficient));
  if (CoefficientWidth(kind) == 4 || largest == 0 || !std::isfinite(largest)) return 0;
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest < 2^exponent
  const int bits = std::min(14 - exponent, int{kLowrankFractionBitsMax});
  return bits < kFractionBitsMin ? std::uint8_t{0} : static_cast<std::uint8_t>(bits);
}

Bytes AsTheyTravel(const Row& coefficients, std::uint8_t fraction_bits) {
  Bytes bytes;
  for (const double coefficient : coefficients) {
    if (fraction_bits == 0) {
      AppendLe(bytes, std::bit_cast<std::uint32_t>(static_cast<float>(coefficient)));
    } else {
      const double units = std::rint(std::ldexp(coefficient, fraction_bits));
      AppendLe(bytes, static_cast<std::uint16_t>(static_cast<std::int16_t>(units)));
    }
  }
  return bytes;
}

}  // namespace

std::uint32_t RankOfChanges(const MatrixPair& matrix) {
  const std::uint64_t rows = matrix.rows();
  if (rows < kRowsMin || matrix.row_elements < kRowElementsMin) return 0;
  // Each third row of the sample is a target.
  std::vector<std::uint64_t> candidates, targets;
  for (const std::uint64_t row : Spread(0, rows, kRankCandidates + kRankTargets)) {
    const bool is_target = (candidates.size() + targets.size()) % 3 == 1;
    (is_target ? targets : candidates).push_back(row);
  }
  return static_cast<std::uint32_t>(Pivoting(matrix, candidates, targets).Run().size());
}

std::optional<ElemOp> FitLowrank(const MatrixPair& matrix, std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t first_row = begin / matrix.row_bytes();
  const std::uint64_t rows = (end - 1) / matrix.row_bytes() + 1 - first_row;
  // A row at the very end that the tensor holds in part only tells nothing.
  const std::uint64_t whole_rows = std::min(rows, matrix.rows() - first_row);
  if (first_row == 0 || whole_rows < rows) return std::nullopt;
  const std::vector<std::uint64_t> candidates = Spread(0, first_row, kRowCandidates);
  const std::vector<std::size_t> picked =
      Pivoting(matrix, candidates, Spread(first_row, rows, kRowTargets)).Run();
  if (picked.empty()) return std::nullopt;

  ElemOp op{.type = ElemOp::Type::kLowrank, .kind = matrix.kind};
  op.rows.row_elements = matrix.row_elements;
  op.rows.column =
      static_cast<std::uint32_t>(begin % matrix.row_bytes() / ElementWidth(matrix.kind));
  const std::uint64_t columns = std::min<std::uint64_t>(matrix.row_elements, kFitColumns);
  std::vector<Row> named;
  for (const std::size_t index : picked) {
    named.push_back(ChangesOf(matrix, candidates[index], columns));
    op.rows.back[op.rows.count++] = static_cast<std::uint32_t>(first_row - candidates[index]);
  }
  const LeastSquares fit(std::move(named));
  Row coefficients;
  for (std::uint64_t row = first_row; row < first_row + rows; ++row) {
    const Row of_row = fit.Solve(ChangesOf(matrix, row, columns));
    coefficients.insert(coefficients.end(), of_row.begin(), of_row.end());
  }
  op.rows.fraction_bits = FractionBitsFor(matrix.kind, coefficients);
  op.coefficients = AsTheyTravel(coefficients, op.rows.fraction_bits);
  return op;
}

}  // namespace sluice
