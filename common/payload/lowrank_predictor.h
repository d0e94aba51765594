// Predicts elements of a matrix from how earlier rows of it changed: where an update has low rank,
// the changes of a few rows span those of all others.
#pragma once

#include "common/payload/elem_ops.h"

namespace sluice {

/// 9 KiB, whatever an operation says.
class LowrankPredictor {
 public:
  /// `output`: the artifact from its first byte on, as far as it is decoded. REQUIRES: both outlive
  /// the predictor.
  LowrankPredictor(const ByteSource& base, const ByteSource& output)
      : base_(base), output_(output) {}

  /// Where an operation's coefficients lie, and its first element in the output.
  struct Place {
    const ByteSource& coefficients;
    std::uint64_t coefficients_at = 0;
    std::uint64_t out_offset = 0;
  };

  /// Replaces the old elements in `bytes`, those of `op` from its element `first` on, with what
  /// they are expected to be: fl(old + sum), where sum takes fl(coefficient * fl(new - old)) of
  /// each named row's element in that column, in the order of `op`, each addition rounded to f32;
  /// then rounded to the kind. Where that is not finite the old element stays. E_STORE_IO.
  /// REQUIRES: a LOWRANK that ElemOpReader accepted there; whole elements of it.
  Status Predict(const ElemOp& op, const Place& place, std::uint32_t first,
                 std::span<std::uint8_t> bytes);

 private:
  // Columns whose changes are held at once.
  static constexpr std::uint32_t kColumns = 128;

  // Elements of one row, or of several whole ones.
  struct Rectangle {
    std::uint64_t row = 0;  // 0: that of the operation's first element
    std::uint64_t rows = 0;
    std::uint32_t column = 0;
    std::uint32_t columns = 0;
  };

  template <ElementKind kKind>
  Status PredictRectangle(const ElemOp& op, const Place& place, const Rectangle& rectangle,
                          std::uint8_t* bytes);
  template <ElementKind kKind>
  Status LoadChanges(const ElemOp& op, const Place& place, std::uint32_t column,
                     std::uint32_t columns);
  Status LoadCoefficients(const LowrankRows& rows, const Place& place, std::uint64_t row);

  const ByteSource& base_;
  const ByteSource& output_;
  std::array<std::array<float, kColumns>, kLowrankRowsMax> changes_{};
  std::array<float, kLowrankRowsMax> coefficients_{};
};

}  // namespace sluice
