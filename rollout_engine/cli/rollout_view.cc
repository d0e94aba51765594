#include "rollout_engine/cli/rollout_view.h"

#include <cmath>

#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/table.h"

namespace sluice {
namespace {

constexpr int kBarWidth = 19;
constexpr std::int64_t kMillisPerSecond = 1'000;

std::string StageOf(const Json& rollout) {
  const std::string stage = TextAt(rollout, "stage");
  if (stage.empty()) return "";
  return stage + " (" + std::to_string(IntegerAt(rollout, "stage_no")) + "/" +
         std::to_string(IntegerAt(rollout, "stages")) + ")";
}

std::string CountOf(const Json& rollout, const char* key) {
  return std::to_string(IntegerAt(rollout, key));
}

Table RolloutHeader(bool wide) {
  std::vector<std::string> header = {"NAME",      "MODEL",  "RELEASE",  "STATUS",  "STAGE", "DONE",
                                     "CONFIRMED", "FAILED", "REVERTED", "VERDICT", "AGE"};
  if (wide) header.insert(header.end(), {"OFFERED", "TRIAL", "LOST", "DEFERRED", "REV"});
  return Table(std::move(header));
}

void AddRollout(Table& table, const Json& rollout, std::int64_t now_ms, bool wide) {
  const std::int64_t created_ms = IntegerAt(rollout, "created");
  std::vector<std::string> cells = {
      TextAt(rollout, "rid"),
      TextAt(rollout, "model"),
      TextAt(rollout, "release"),
      TextAt(rollout, "status"),
      StageOf(rollout),
      CountOf(rollout, "confirmed") + "/" + CountOf(rollout, "targeted"),
      CountOf(rollout, "confirmed"),
      CountOf(rollout, "failed"),
      CountOf(rollout, "reverted"),
      TextAt(rollout, "verdict"),
      created_ms == 0
          ? "-"
          : DurationText(std::max<std::int64_t>(0, now_ms - created_ms) / kMillisPerSecond)};
  if (wide) {
    for (const char* key : {"offered", "trial", "lost", "deferred", "rev"})
      cells.push_back(CountOf(rollout, key));
  }
  table.Add(std::move(cells));
}

/// "0.0006<=0.001", the relation as observed.
std::string Against(const Json& ab, const char* observed_key, const char* limit_key) {
  const double observed = NumberAt(ab, observed_key, NAN);
  const double limit = NumberAt(ab, limit_key, NAN);
  if (std::isnan(observed)) return "";
  if (std::isnan(limit)) return NumberText(observed);
  return NumberText(observed) + (observed <= limit ? "<=" : ">") + NumberText(limit);
}

/// Negative until a device has told its latencies.
std::string LatencyOf(const Json& ab) {
  if (NumberAt(ab, "latency_p99_ms_test", -1) < 0) return "";
  return Against(ab, "latency_p99_ms_test", "latency_p99_ms_limit");
}

std::string StageTable(const Json& rollout) {
  static const Json kNone = Json::object();
  const auto found = rollout.find("ab");
  const Json& ab = found != rollout.end() && found->is_object() ? *found : kNone;
  Table table(
      {"STAGE", "DEVICES", "PROGRESS", "STATUS", "SOAK LEFT", "ACC DROP", "ERR RATE", "P99 MS"});
  for (const Json& stage : ItemsAt(rollout, "stage_list")) {
    const std::string name = TextAt(stage, "name");
    const auto devices = IntegerAt(stage, "devices");
    const double done = NumberAt(stage, "done_percent") / 100;
    const auto done_devices =
        static_cast<std::int64_t>(std::llround(done * static_cast<double>(devices)));
    const Json& look = TextAt(ab, "stage") == name ? ab : kNone;
    table.Add({name + " " + NumberText(NumberAt(stage, "target_percent")) + "%",
               std::to_string(done_devices) + "/" + std::to_string(devices),
               BarText(done, kBarWidth), TextAt(stage, "status"),
               DurationText(IntegerAt(stage, "soak_left_s", -1)),
               Against(look, "accuracy_drop_test", "accuracy_drop_limit"),
               Against(look, "error_rate_test", "error_rate_limit"), LatencyOf(look)});
  }
  return table.Render();
}

/// One row per release that is compared; nothing for a plain rollout.
std::string VariantTable(const Json& rollout) {
  const Json& variants = ItemsAt(rollout, "variants");
  if (variants.empty()) return "";
  Table table(
      {"VARIANT", "WEIGHT", "STATUS", "DEVICES", "DONE", "ACC DROP", "ERR RATE", "VERDICT"});
  for (const Json& variant : variants) {
    table.Add({TextAt(variant, "version"), CountOf(variant, "weight"), TextAt(variant, "status"),
               CountOf(variant, "devices"), NumberText(NumberAt(variant, "done_percent")) + "%",
               Against(variant, "accuracy_drop_test", "accuracy_drop_limit"),
               Against(variant, "error_rate_test", "error_rate_limit"),
               TextAt(variant, "verdict")});
  }
  return table.Render();
}

/// The sentence behind the status; empty when it only repeats it.
std::string WhyOf(const Json& rollout) {
  std::string why = TextAt(rollout, "why");
  return why == TextAt(rollout, "status") ? "" : why;
}

/// The counts that somebody may have to look after, and the sentence behind the status.
std::string Attention(const Json& rollout) {
  std::string counts;
  for (const char* key : {"failed", "reverted", "lost", "deferred"}) {
    if (const auto count = IntegerAt(rollout, key); count > 0) {
      counts += (counts.empty() ? "! " : ", ") + std::to_string(count) + " " + key;
    }
  }
  std::string text = counts.empty() ? "" : counts + "\n";
  if (const std::string why = WhyOf(rollout); !why.empty()) text += "! " + Printable(why) + "\n";
  return text;
}

}  // namespace

Result<std::string> RolloutTable(std::string_view list_json, std::int64_t now_ms, bool wide) {
  SLUICE_ASSIGN(const Json list, ParseJson(list_json));
  Table table = RolloutHeader(wide);
  for (const Json& rollout : ItemsAt(list, "items")) AddRollout(table, rollout, now_ms, wide);
  return table.Render();
}

Result<std::string> RolloutScreen(std::string_view rollout_json, std::int64_t now_ms, bool wide) {
  SLUICE_ASSIGN(const Json rollout, ParseJson(rollout_json));
  Table table = RolloutHeader(wide);
  AddRollout(table, rollout, now_ms, wide);
  return table.Render() + StageTable(rollout) + VariantTable(rollout) + Attention(rollout);
}

Result<std::string> RolloutLine(std::string_view rollout_json) {
  SLUICE_ASSIGN(const Json rollout, ParseJson(rollout_json));
  std::string line =
      TextAt(rollout, "rid") + " " + TextAt(rollout, "release") + " " + TextAt(rollout, "status");
  if (const std::string stage = StageOf(rollout); !stage.empty()) line += ", " + stage;
  line += ", confirmed " + CountOf(rollout, "confirmed") + "/" + CountOf(rollout, "targeted");
  for (const char* key : {"failed", "reverted", "lost"}) {
    if (IntegerAt(rollout, key) > 0) line += ", " + std::string(key) + " " + CountOf(rollout, key);
  }
  if (const std::string why = WhyOf(rollout); !why.empty()) line += ": " + why;
  return Printable(line);
}

Result<std::string> ExplanationText(std::string_view explanation_json, std::int64_t now_ms) {
  SLUICE_ASSIGN(const Json explanation, ParseJson(explanation_json));
  std::string text = TextAt(explanation, "rid") + " is " + TextAt(explanation, "status");
  if (const std::string stage = TextAt(explanation, "stage"); !stage.empty())
    text += " at " + stage;
  text += ", verdict " + TextAt(explanation, "verdict", "pending") + "\n";
  if (const std::string why = TextAt(explanation, "why"); !why.empty())
    text += Printable(why) + "\n";
  if (const Json& criteria = ItemsAt(explanation, "criteria"); !criteria.empty()) {
    const bool compares = criteria.front().contains("variant");
    std::vector<std::string> header = {"CRITERION", "SCOPE",   "OBSERVED", "INTERVAL", "CONTROL",
                                       "LIMIT",     "DEVICES", "N",        "VERDICT"};
    if (compares) header.insert(header.begin(), "VARIANT");
    Table table(std::move(header));
    for (const Json& row : criteria) {
      const auto number = [&row](const char* key) {
        const double value = NumberAt(row, key, NAN);
        return std::isnan(value) ? std::string() : NumberText(value);
      };
      std::vector<std::string> cells = {
          TextAt(row, "criterion"),
          TextAt(row, "scope"),
          number("observed"),
          row.contains("hi") ? "[" + number("lo") + ", " + number("hi") + "]" : "",
          number("control"),
          number("limit"),
          number("devices"),
          number("n"),
          TextAt(row, "verdict")};
      if (compares) cells.insert(cells.begin(), TextAt(row, "variant"));
      table.Add(std::move(cells));
    }
    text += table.Render();
  }
  std::string suspects;
  for (const Json& suspect : ItemsAt(explanation, "suspects")) {
    if (suspect.is_string())
      suspects += (suspects.empty() ? "" : ", ") + Printable(suspect.get<std::string>());
  }
  if (!suspects.empty()) text += "the finding comes from: " + suspects + "\n";
  for (const Json& missing : ItemsAt(explanation, "missing")) {
    if (missing.is_string()) text += "waiting for: " + Printable(missing.get<std::string>()) + "\n";
  }
  if (const auto next_ms = IntegerAt(explanation, "next_check"); next_ms > 0) {
    text += "next look in " +
            DurationText(std::max<std::int64_t>(0, next_ms - now_ms) / kMillisPerSecond) + "\n";
  }
  return text;
}

Result<std::string> PlanText(std::string_view plan_json) {
  SLUICE_ASSIGN(const Json plan, ParseJson(plan_json));
  std::string text = TextAt(plan, "release") + " of " + TextAt(plan, "model") + " to " +
                     CountOf(plan, "devices") + " devices, " + CountOf(plan, "without_base") +
                     " of them without a base, " +
                     SizeText(static_cast<std::uint64_t>(IntegerAt(plan, "bytes"))) + " in all\n";
  Table stages({"STAGE", "TARGET", "SOAK", "DEVICES", "BYTES", "DECIDES", "HARDWARE"});
  for (const Json& stage : ItemsAt(plan, "stages")) {
    std::string hardware;
    if (const auto found = stage.find("hardware"); found != stage.end() && found->is_object()) {
      for (const auto& [name, devices] : found->items()) {
        hardware += (hardware.empty() ? "" : " ") + name + ":" + devices.dump();
      }
    }
    stages.Add({TextAt(stage, "name"), NumberText(NumberAt(stage, "target_percent")) + "%",
                DurationText(IntegerAt(stage, "duration_s", -1)), CountOf(stage, "devices"),
                SizeText(static_cast<std::uint64_t>(IntegerAt(stage, "bytes"))),
                FlagAt(stage, "can_decide") ? "yes" : "no", hardware});
  }
  Table effects({"STAGE", "CRITERION", "SCOPE", "DEVICES", "TODAY", "LIMIT", "FINDS FROM"});
  for (const Json& stage : ItemsAt(plan, "stages")) {
    for (const Json& row : ItemsAt(stage, "criteria")) {
      const auto number = [&row](const char* key) {
        return row.contains(key) ? NumberText(NumberAt(row, key)) : std::string();
      };
      effects.Add({TextAt(stage, "name"), TextAt(row, "criterion"), TextAt(row, "scope"),
                   CountOf(row, "devices"), number("observed"), number("limit"),
                   number("detectable")});
    }
  }
  Table payloads({"RELEASE", "HARDWARE", "FROM", "KIND", "DEVICES", "BYTES EACH"});
  for (const Json& payload : ItemsAt(plan, "payloads")) {
    payloads.Add({TextAt(payload, "release"), TextAt(payload, "hardware"), TextAt(payload, "base"),
                  TextAt(payload, "kind"), CountOf(payload, "devices"),
                  SizeText(static_cast<std::uint64_t>(IntegerAt(payload, "bytes")))});
  }
  text += stages.Render() + effects.Render() + payloads.Render();
  for (const Json& warning : ItemsAt(plan, "warnings")) {
    if (warning.is_string()) text += "! " + Printable(warning.get<std::string>()) + "\n";
  }
  return text;
}

Result<std::string> EventTable(std::string_view list_json) {
  SLUICE_ASSIGN(const Json list, ParseJson(list_json));
  Table table({"TIME", "SEQ", "TYPE", "BY", "CODE", "WHY"});
  for (const Json& event : ItemsAt(list, "items")) {
    table.Add({TimeText(IntegerAt(event, "ts")), CountOf(event, "seq"), TextAt(event, "type"),
               TextAt(event, "by"), TextAt(event, "code"), TextAt(event, "why")});
  }
  return table.Render();
}

Result<RolloutHealth> HealthOf(std::string_view rollout_json) {
  SLUICE_ASSIGN(const Json rollout, ParseJson(rollout_json));
  const std::string status = TextAt(rollout, "status");
  if (status == "completed") return RolloutHealth{true, kExitOk};
  if (status == "rolled_back" || status == "aborted") return RolloutHealth{true, kExitFailed};
  if (status == "rolling_back") return RolloutHealth{false, kExitFailed};
  if (status == "paused" || status == "holding" || status == "awaiting_approval") {
    return RolloutHealth{false, kExitHeld};
  }
  return RolloutHealth{false, kExitOk};
}

}  // namespace sluice
