#include "rollout_engine/cli/forecast_view.h"

#include "rollout_engine/cli/delta_info.h"
#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/table.h"

namespace sluice {
namespace {

constexpr double kShareWarned = 0.5;
constexpr std::uint32_t kSmallChunk = 4'096;
constexpr std::uint32_t kLargeChunk = 16'320;

constexpr const char* kAdvice =
    "smaller updates: ship int8 or f16; train only the last layers or an adapter; take small steps "
    "(SGD, low learning rate); freeze batch normalisation; keep the quantisation scales; or snap "
    "the update ('sluice delta snap')";

std::uint64_t CountAt(const Json& json, const char* key) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(IntegerAt(json, key), 0));
}

// Fills the row's cells; returns whether it is worth a warning. Who has nothing yet gets no update:
// no advice helps there.
bool AddRow(Table& table, const Json& row) {
  const bool is_update = TextAt(row, "kind") != "full";
  const std::string base = TextAt(row, "base", TextAt(row, "base_sha256").substr(0, 12));
  const std::string from = is_update ? base : "- (full)";
  std::vector<std::string> cells = {TextAt(row, "hardware"), from, TextAt(row, "class"),
                                    std::to_string(IntegerAt(row, "devices"))};
  const std::uint64_t payload_bytes = CountAt(row, "payload_bytes");
  const std::uint64_t artifact_bytes = CountAt(row, "artifact_bytes");
  if (payload_bytes == 0 || artifact_bytes == 0) {
    cells.insert(cells.end(), {TextAt(row, "problem", "being built"), "", ""});
    table.Add(std::move(cells));
    return false;
  }
  const std::uint32_t chunk = TextAt(row, "class") == "S" ? kSmallChunk : kLargeChunk;
  const double share = static_cast<double>(payload_bytes) / static_cast<double>(artifact_bytes);
  cells.insert(cells.end(), {SizeText(payload_bytes), NumberText(100 * share) + "%",
                             SizeText(PredictedBytes(payload_bytes, artifact_bytes, chunk))});
  table.Add(std::move(cells));
  return is_update && share > kShareWarned;
}

}  // namespace

Status PrintForecast(Session& session, std::string_view forecast) {
  SLUICE_ASSIGN(const Json json, ParseJson(forecast));
  const Json& rows = ItemsAt(json, "items");
  if (rows.empty()) {
    session.err << "no device of the fleet would fetch this release yet\n";
    return {};
  }
  Table table({"HARDWARE", "FROM", "CLASS", "DEVICES", "PAYLOAD", "OF FULL", "OVER THE AIR"});
  bool warned = false;
  for (const Json& row : rows) warned = AddRow(table, row) || warned;
  session.out << table.Render();
  if (warned) {
    session.err << "warning: updates above 50% of the artifact; " << kAdvice << "\n";
  }
  return {};
}

}  // namespace sluice
