// The sums from which a ratio and its variance follow, gathered in one pass over the devices.
//
// Sums of squares about a ratio that is known only after the pass would need a second one. They are
// taken about a guess instead and moved to the ratio later: with a = guess - R,
// sum (y - R n)^2 = sum d^2 + 2 a sum d n + a^2 sum n^2, where d = y - guess n. A guess near R
// leaves nothing to cancel.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "rollout_engine/core/judge_bounds.h"

namespace sluice {

/// One device that did something in the window.
struct RatioRow {
  double n = 0, y = 0;
  double pre_n = 0, pre_y = 0;  // 0 = no history
};

/// Of rows with n > 0. d = y - y_guess n, e = pre_y - pre_guess pre_n.
struct RatioMoments {
  double m = 0;      // rows
  double known = 0;  // rows with history
  double n = 0, y = 0, pre_n = 0, pre_y = 0;
  double y_guess = 0, pre_guess = 0;
  double dd = 0, dn = 0, nn = 0;
  double de = 0, d_pre = 0, n_e = 0, n_pre = 0;
  double ee = 0, e_pre = 0, pre_pre = 0;
};

/// Up to kRows rows, column by column.
struct RatioTile {
  static constexpr std::size_t kRows = 64;
  using Column = std::array<double, kRows>;
};

/// Gathers the moments of one group of rows, tile by tile.
class MomentSums {
 public:
  /// Adds the first `rows` of four columns; those with n = 0 are no rows. REQUIRES: 0 in what is
  /// left of the columns up to an even number of rows.
  void Add(const RatioTile::Column& n, const RatioTile::Column& y, const RatioTile::Column& pre_n,
           const RatioTile::Column& pre_y, std::size_t rows);
  [[nodiscard]] RatioMoments Moments() const;

 private:
  static constexpr std::size_t kSums = 16;
  std::array<CompensatedSum, kSums> sums_;
  std::optional<double> y_guess_, pre_guess_;  // from the first rows that have what it takes
};

}  // namespace sluice
