// A look's devices as the tests read them: per metric, window and arm one block of rows, grouped by
// stratum, so that the fleet and every stratum are spans of it.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "rollout_engine/core/judge_snapshot.h"

namespace sluice {

enum class Window : std::uint8_t { kCumulative, kEpoch };
inline constexpr std::array kWindows = {Window::kCumulative, Window::kEpoch};

/// One device that did something in the window.
struct RatioRow {
  double n = 0, y = 0;
  double pre_n = 0, pre_y = 0;  // 0 = no history
};

/// Devices that a verdict test counts, and those of them that are bad.
struct VerdictCount {
  std::int64_t m = 0, x = 0;
};

class LookTable {
 public:
  /// `input` outlives the table.
  explicit LookTable(const JudgeInput& input);

  static constexpr std::size_t kFleet = 0;  // scope; stratum i of the configuration is scope i + 1

  [[nodiscard]] std::span<const RatioRow> Rows(std::size_t scope, Arm arm, Metric metric,
                                               Window window) const;
  /// The rows of the test arm in the order of the input, which is that of ties.
  [[nodiscard]] std::vector<RatioRow> TestRowsInOrder(std::size_t scope, Metric metric,
                                                      Window window) const;
  [[nodiscard]] VerdictCount Verdicts(std::size_t scope, Arm arm, VerdictTest test) const;
  [[nodiscard]] bool HasControl(std::size_t scope) const;

 private:
  static constexpr std::size_t kArms = 2;
  struct Block {
    std::vector<RatioRow> rows;
    std::vector<std::size_t> ends;  // of each group
  };

  [[nodiscard]] std::size_t Groups() const { return input_.config.strata.size() + 1; }
  [[nodiscard]] static std::size_t PlaceOf(Arm arm, Metric metric, Window window);
  void FindGroups();
  void CountVerdicts(const JudgedDevice& device, std::size_t group);
  void FillRows();

  const JudgeInput& input_;
  std::vector<std::uint32_t> group_of_;  // by device; the last group is of no stratum
  std::array<Block, kArms * kMetricCount * kWindows.size()> blocks_;
  std::vector<std::array<std::array<VerdictCount, kVerdictTestCount>, kArms>>
      verdicts_;                       // by group
  std::vector<std::size_t> controls_;  // by group
};

}  // namespace sluice
