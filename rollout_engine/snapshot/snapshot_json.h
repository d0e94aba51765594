// The judge's input and output as JSON: the layout of decision vectors, audit records and
// `sluice rollout judge` (docs/decisions_explained.md).
//
// Included by .cc files only: the JSON library is slow to compile.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "rollout_engine/core/judge_snapshot.h"

namespace sluice {

using SnapshotJson = nlohmann::ordered_json;

/// A look over a million devices.
inline constexpr std::uint64_t kSnapshotBytesMax = std::uint64_t{512} << 20;
/// Two implementations of the same sums may differ by this much, relatively.
inline constexpr double kSnapshotToleranceRel = 1e-9;

/// A recorded look: what the judge saw and, in a vector or an audit record, what it answered.
struct Snapshot {
  JudgeInput input;
  std::optional<SnapshotJson> expected;
  double tolerance_rel = kSnapshotToleranceRel;
};

/// Reads an `input` object, or any object with a member `input`. Unknown members are passed over.
/// E_SNAPSHOT_INVALID: "PATH: why"; what it returns meets everything that Judge requires, with
/// every number small enough that no statistic of it can overflow.
Result<Snapshot> ParseSnapshot(std::string_view text);

SnapshotJson ToJson(const JudgeInput& input);
/// The text of ToJson(input) on one line, a device at a time: a million of them as one value would
/// take gigabytes.
void WriteInput(const JudgeInput& input, const std::function<void(std::string_view)>& write);
/// With exactly the members that a vector's `expected` has.
SnapshotJson ToJson(const JudgeOutput& output);

/// Two spaces deep, reals in the shortest form that reads back equal, whatever the locale.
std::string DumpSnapshot(const SnapshotJson& json);

/// "PATH: what is expected and what is there" of the first difference, or nothing. Reals may differ
/// by `tolerance_rel`; strings, booleans, integers and the set of members may not.
std::optional<std::string> FirstDifference(const SnapshotJson& expected, const SnapshotJson& actual,
                                           double tolerance_rel);

}  // namespace sluice
