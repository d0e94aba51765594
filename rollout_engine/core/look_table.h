// A look's devices as the tests read them: counts and sums per stratum and arm, from one pass over
// the devices. The fleet and every stratum are unions of those groups.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "rollout_engine/core/judge_snapshot.h"
#include "rollout_engine/core/ratio_estimator.h"

namespace sluice {

enum class Window : std::uint8_t { kCumulative, kEpoch };
inline constexpr std::array kWindows = {Window::kCumulative, Window::kEpoch};

/// One device as a look counts it. `pre` without n = no history.
struct LookDevice {
  Arm arm = Arm::kTest;
  std::uint32_t stratum = 0;  // its place in config.strata; their number = of none of them
  double since_activation_s = 0, silence_s = 0, crashes = 0;
  std::array<RatioCounts, kWindows.size()> windows{};  // by Window
  RatioCounts pre{};
};

/// The devices of a look, wherever they are kept.
class LookDevices {
 public:
  using Visit = std::function<void(const LookDevice&)>;
  virtual ~LookDevices() = default;
  /// Every device of one arm, in the same order each time.
  virtual void ForEach(Arm arm, const Visit& visit) const = 0;
};

/// Those of a snapshot, in its order. `input` outlives it.
class SnapshotDevices : public LookDevices {
 public:
  explicit SnapshotDevices(const JudgeInput& input);
  void ForEach(Arm arm, const Visit& visit) const override;

 private:
  const JudgeInput& input_;
  std::vector<std::uint32_t> stratum_of_;           // by device
  std::array<std::vector<std::uint32_t>, 2> arms_;  // places of devices, by Arm
};

/// Devices that a verdict test counts, and those of them that are bad.
struct VerdictCount {
  std::int64_t m = 0, x = 0;
};

class LookTable {
 public:
  /// Both outlive the table.
  LookTable(const JudgeConfig& config, const LookDevices& devices);

  static constexpr std::size_t kFleet = 0;  // scope; stratum i of the configuration is scope i + 1

  [[nodiscard]] ArmSample Sample(std::size_t scope, Arm arm, Metric metric, Window window) const;
  [[nodiscard]] VerdictCount Verdicts(std::size_t scope, Arm arm, VerdictTest test) const;
  [[nodiscard]] bool HasControl(std::size_t scope) const;
  /// Any device of either arm did anything before.
  [[nodiscard]] bool HasHistory() const { return has_history_; }

 private:
  static constexpr std::size_t kCells = kMetricCount * kWindows.size();  // metric and window
  /// Rows that wait until there are enough of them to add up.
  struct Tile {
    std::size_t rows = 0;
    std::array<RatioTile::Column, kCells> n, y;
    std::array<RatioTile::Column, kMetricCount> pre_n, pre_y;
  };
  /// The devices of one stratum in one arm.
  struct Group {
    std::size_t devices = 0;
    std::array<VerdictCount, kVerdictTestCount> verdicts{};
    std::array<MomentSums, kCells> sums;
    std::array<RatioMoments, kCells> moments{};
    std::array<double, kCells> heavy_above{};  // rows with a larger n may count for less
    std::array<std::vector<RatioRow>, kCells> heavy;
    std::unique_ptr<Tile> tile;
  };

  [[nodiscard]] std::size_t GroupCount() const { return config_.strata.size() + 1; }
  [[nodiscard]] static std::size_t CellOf(Metric metric, Window window);
  [[nodiscard]] const Group& GroupOf(std::size_t stratum, Arm arm) const;
  [[nodiscard]] Group& GroupOf(std::size_t stratum, Arm arm);
  [[nodiscard]] std::vector<RatioRow> RowsOf(std::size_t scope, Arm arm, Metric metric,
                                             Window window) const;
  void Gather(Arm arm);
  void Add(const LookDevice& device);
  void CountVerdicts(const LookDevice& device, Group& group) const;
  static void Flush(Group& group);
  static void SetHeavyAside(Group& group, std::size_t cell);
  void FindCaps();

  const JudgeConfig& config_;
  const LookDevices& devices_;
  std::vector<Group> groups_;  // by stratum and arm
  bool has_history_ = false;
};

}  // namespace sluice
