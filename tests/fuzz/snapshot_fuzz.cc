// Any text as a snapshot: refused on one line, or judged to finite numbers, and its own record
// reads back equal.
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "rollout_engine/core/judge.h"
#include "rollout_engine/snapshot/snapshot_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const auto snapshot = ParseSnapshot(AsText({data, size}));
  if (!snapshot.has_value()) {
    SLUICE_CHECK(snapshot.error().code == ErrorCode::kSnapshotInvalid);
    return 0;
  }
  const SnapshotJson output = ToJson(Judge(snapshot->input));
  const std::string text = DumpSnapshot(output);  // checks that every real is finite
  const SnapshotJson again = SnapshotJson::parse(text);
  SLUICE_CHECK(!FirstDifference(output, again, 0));
  const auto copy = ParseSnapshot(DumpSnapshot(ToJson(snapshot->input)));
  SLUICE_CHECK(copy.has_value());
  SLUICE_CHECK(copy->input == snapshot->input);
  return 0;
}
