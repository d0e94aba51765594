#include "demo/story.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace sluice::demo {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kWatchEvery = std::chrono::milliseconds(150);
constexpr auto kRolloutTimeout = std::chrono::seconds(120);
constexpr auto kSettleTimeout = std::chrono::seconds(15);
constexpr std::int64_t kRevertGoalMs = 2'000;

Result<std::string> ReadText(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return Fail(ErrorCode::kIo, "cannot read " + path.string());
  return text.str();
}

bool IsOver(const std::string& status) {
  return status == "completed" || status == "rolled_back" || status == "aborted";
}

std::string ProgressLine(const json& rollout) {
  std::string line =
      fmt::format("{} {}", rollout.value("release", ""), rollout.value("status", ""));
  if (!rollout.value("stage", "").empty()) {
    line += fmt::format(", stage {} ({}/{})", rollout.value("stage", ""),
                        rollout.value("stage_no", 0), rollout.value("stages", 0));
  }
  for (const char* count :
       {"downloading", "verified", "trial", "confirmed", "failed", "reverted"}) {
    if (const int n = rollout.value(count, 0); n > 0) line += fmt::format(", {} {}", n, count);
  }
  return line;
}

// Once the first devices have the release, a line elsewhere in the plant stops: its message has
// nothing to do with us. The demo's operator resumes when the rule has paused the rollout.
class StoppingLine {
 public:
  StoppingLine(const World& world, bool stops, const std::string& rollout_id)
      : world_(world), rollout_id_(rollout_id), waits_(stops) {}

  Status Follow(const json& rollout, const Progress& progress) {
    const std::string status = rollout.value("status", "");
    if (waits_ && status == "running" && rollout.value("confirmed", 0) > 0) {
      waits_ = false;
      progress("  plant/3/status says: STOPPED");
      return world_.Say("plant/3/status", R"({"state":"STOPPED","confidence":0.93})");
    }
    const bool by_rule = rollout.value("why", "").find("rule:") != std::string::npos;
    if (status != "paused" || !by_rule || paused_by_rule_) return {};
    paused_by_rule_ = true;
    SLUICE_TRY(
        world_.Sluice({"rollout", "resume", rollout_id_, "--reason", "the line runs again"}));
    return {};
  }
  [[nodiscard]] bool paused_by_rule() const { return paused_by_rule_; }

 private:
  const World& world_;
  const std::string rollout_id_;
  bool waits_;
  bool paused_by_rule_ = false;
};

// Follows the rollout until it is over; aborts it, as an operator would, when the chapter says so
// and it holds.
Result<json> Watch(World& world, Facts& facts, const Progress& progress) {
  const Chapter& chapter = facts.chapter;
  const std::string& id = facts.rollout_id;
  StoppingLine line_in_the_plant(world, chapter.line_stops, id);
  const auto deadline = std::chrono::steady_clock::now() + kRolloutTimeout;
  std::string shown, told;
  while (std::chrono::steady_clock::now() < deadline) {
    SLUICE_TRY(world.CheckAlive());
    SLUICE_ASSIGN(json rollout, world.Ask({"rollout", "get", id}));
    if (const std::string line = ProgressLine(rollout); line != shown) progress(shown = line);
    const std::string status = rollout.value("status", ""), why = rollout.value("why", "");
    if (status != "running" && why != told && !why.empty()) progress("  engine: " + (told = why));
    SLUICE_TRY(line_in_the_plant.Follow(rollout, progress));
    facts.paused_by_rule = line_in_the_plant.paused_by_rule();
    if (IsOver(status)) return rollout;
    if (status == "holding" && !chapter.held_then_aborted.empty()) {
      SLUICE_TRY(world.Sluice({"rollout", "abort", id, "--reason", chapter.held_then_aborted}));
    }
    std::this_thread::sleep_for(kWatchEvery);
  }
  return Fail(ErrorCode::kTimeout,
              fmt::format("{} was not over after {} s", id, kRolloutTimeout.count()));
}

// What one device did in one rollout.
struct DevicePart {
  std::optional<std::int64_t> activated_ms, reverted_ms;
  std::string stage;
  std::int64_t bytes = 0;
};

DevicePart PartOf(const json& history, const std::string& rollout) {
  DevicePart part;
  for (const json& item : history.at("items")) {
    if (item.value("rollout", "") != rollout) continue;
    const std::string state = item.value("state", "");
    const std::int64_t ts = item.value("ts", std::int64_t{0});
    part.stage = item.value("stage", part.stage);
    part.bytes = std::max(part.bytes, item.value("bytes", std::int64_t{0}));
    if (state == "activating" || state == "trial")
      part.activated_ms = std::min(ts, part.activated_ms.value_or(ts));
    if (state == "reverted") part.reverted_ms = std::max(ts, part.reverted_ms.value_or(ts));
  }
  return part;
}

Result<std::optional<std::int64_t>> DecisionTime(const World& world, const std::string& rollout) {
  SLUICE_ASSIGN(const json events, world.Ask({"rollout", "events", rollout}));
  for (const json& event : events.at("items")) {
    if (event.value("type", "") == "status" && event.value("why", "").starts_with("rolled back")) {
      return event.value("ts", std::int64_t{0});
    }
  }
  return std::nullopt;
}

Status Measure(const World& world, Facts& facts) {
  SLUICE_ASSIGN(const json release, world.Ask({"release", "show", facts.chapter.release}));
  const std::int64_t artifact_bytes = release.at("artifacts").at(0).at("size_bytes");
  SLUICE_ASSIGN(const std::optional<std::int64_t> decided_ms,
                DecisionTime(world, facts.rollout_id));
  SLUICE_ASSIGN(const std::vector<json> devices, world.Devices());
  std::optional<std::int64_t> first_activation, last_revert;
  for (const json& device : devices) {
    SLUICE_ASSIGN(const json history, world.Ask({"device", "history", device.at("id")}));
    const DevicePart part = PartOf(history, facts.rollout_id);
    // Not offered, or told to hold as part of the control arm.
    if (part.bytes == 0 && !part.activated_ms) continue;
    facts.bytes_sent += part.bytes;
    facts.full_bytes += artifact_bytes;
    if (part.activated_ms) {
      ++facts.activations;
      if (part.stage != "canary" && facts.chapter.ends_as == "rolled_back")
        ++facts.exposed_outside_canary;
      first_activation =
          std::min(*part.activated_ms, first_activation.value_or(*part.activated_ms));
    }
    if (!part.reverted_ms) continue;
    facts.reverted += part.activated_ms ? 1 : 0;
    last_revert = std::max(*part.reverted_ms, last_revert.value_or(*part.reverted_ms));
  }
  if (decided_ms && first_activation) facts.detect_ms = *decided_ms - *first_activation;
  if (decided_ms && last_revert) facts.revert_ms = *last_revert - *decided_ms;
  return {};
}

// What each chapter must have come to.
void Judge(const World& world, Facts& facts) {
  const Chapter& chapter = facts.chapter;
  auto expect = [&facts](bool holds, std::string otherwise) {
    if (!holds) facts.problems.push_back(std::move(otherwise));
  };
  expect(facts.status == chapter.ends_as,
         fmt::format("ended as {}, not {}", facts.status, chapter.ends_as));
  if (chapter.ends_as == "completed") {
    expect(facts.activations == world.device_count(),
           fmt::format("{} of {} devices run it", facts.activations, world.device_count()));
  }
  if (chapter.ends_as == "aborted")
    expect(facts.activations == 0, fmt::format("{} activations", facts.activations));
  if (chapter.ends_as == "rolled_back") {
    expect(facts.activations > 0, "no device ran it, so nothing was shown");
    expect(facts.exposed_outside_canary == 0,
           fmt::format("{} devices beyond the canary", facts.exposed_outside_canary));
    expect(
        facts.reverted == facts.activations,
        fmt::format("{} of {} devices that ran it went back", facts.reverted, facts.activations));
    expect(facts.revert_ms && *facts.revert_ms <= kRevertGoalMs,
           "the last revert came later than 2 s after the decision");
  }
  if (chapter.line_stops) expect(facts.paused_by_rule, "no rule paused it when the line stopped");
  if (chapter.release == "digits-v2")
    expect(facts.bytes_sent < facts.full_bytes, "the delta saved nothing");
}

}  // namespace

Result<std::string> WriteRolloutFile(const World& world, const Chapter& chapter,
                                     const fs::path& rollout_dir) {
  SLUICE_ASSIGN(std::string text, ReadText(rollout_dir / chapter.rollout_file));
  const std::string key = "model_version: \"";
  const std::size_t at = text.find(key) + key.size();
  text.replace(at, text.find('"', at) - at, chapter.release);
  const fs::path path = world.dir() / (chapter.release + ".rollout.yaml");
  std::ofstream(path) << text;
  return path.string();
}

Status Publish(const World& world, const std::string& release) {
  const std::string bundle = (world.dir() / (release + ".bundle")).string();
  const std::string meta = (world.dir() / "models" / (release + ".meta.yaml")).string();
  SLUICE_TRY(world.Sluice({"release", "create", release, "--fleet", "demo", "--meta", meta, "-o",
                           bundle, world.ModelPath(release).string()}));
  SLUICE_TRY(
      world.Sluice({"release", "sign", bundle, "--key", (world.dir() / "release.key").string()}));
  SLUICE_TRY(world.Sluice({"release", "publish", bundle}));
  return {};
}

std::vector<Chapter> Chapters() {
  return {
      {"digits-v1", "the first release: full payloads to empty devices", "first_release.yaml",
       "completed", ""},
      {"digits-v2", "a better one: as a delta, through three stages", "rollout.yaml", "completed",
       "", true},
      {"digits-v3", "a broken one: fails its validation set on every device", "rollout.yaml",
       "aborted", "fails its validation on the devices"},
      {"digits-v4", "a treacherous one: valid in the lab, worse in the field", "rollout.yaml",
       "rolled_back", ""},
  };
}

Result<Facts> Tell(World& world, const Chapter& chapter, const fs::path& rollout_dir,
                   const Progress& progress) {
  Facts facts;
  facts.chapter = chapter;
  SLUICE_TRY(Publish(world, chapter.release));
  SLUICE_ASSIGN(const std::string file, WriteRolloutFile(world, chapter, rollout_dir));
  SLUICE_ASSIGN(const json created, world.Ask({"rollout", "create", "-f", file}));
  facts.rollout_id = created.at("rid");
  SLUICE_TRY(world.Sluice({"rollout", "start", facts.rollout_id}));
  SLUICE_ASSIGN(const json rollout, Watch(world, facts, progress));
  facts.status = rollout.value("status", "");
  facts.why = rollout.value("why", "");
  facts.targeted = rollout.value("targeted", 0);
  SLUICE_TRY(Measure(world, facts));
  Judge(world, facts);
  return facts;
}

Result<std::vector<std::string>> DevicesOff(const World& world, const std::string& release,
                                            const std::string& artifact) {
  const auto deadline = std::chrono::steady_clock::now() + kSettleTimeout;
  std::vector<std::string> off;
  do {
    off.clear();
    // Whoever is just starting does not answer yet.
    const auto devices = world.Devices();
    const auto agent_digests = world.AgentDigests();
    if (!devices) off.push_back(devices.error().Line());
    if (!agent_digests) off.push_back(agent_digests.error().Line());
    if (!off.empty()) {
      std::this_thread::sleep_for(kWatchEvery);
      continue;
    }
    for (const json& device : *devices) {
      if (device.value("artifact", "") != artifact || device.value("desired", "") != release) {
        off.push_back(device.value("id", "?"));
      }
    }
    for (std::size_t i = 0; i < agent_digests->size(); ++i) {
      if ((*agent_digests)[i] != artifact) {
        off.push_back(AgentName(static_cast<int>(i)) + " (its own word)");
      }
    }
    if (devices->size() != static_cast<std::size_t>(world.device_count())) {
      off.push_back("missing devices");
    }
    if (off.empty()) return off;
    std::this_thread::sleep_for(kWatchEvery);
  } while (std::chrono::steady_clock::now() < deadline);
  return off;
}

json ToJson(const Facts& facts) {
  auto optional = [](const std::optional<std::int64_t>& value) {
    return value ? json(*value) : json(nullptr);
  };
  return {{"release", facts.chapter.release},
          {"rollout", facts.rollout_id},
          {"status", facts.status},
          {"expected_status", facts.chapter.ends_as},
          {"why", facts.why},
          {"targeted", facts.targeted},
          {"activations", facts.activations},
          {"reverted", facts.reverted},
          {"paused_by_rule", facts.paused_by_rule},
          {"exposed_outside_canary", facts.exposed_outside_canary},
          {"bytes_sent", facts.bytes_sent},
          {"full_bytes", facts.full_bytes},
          {"time_to_detect_ms", optional(facts.detect_ms)},
          {"decision_to_last_revert_ms", optional(facts.revert_ms)},
          {"problems", facts.problems}};
}

std::string FactsTable(const std::vector<Facts>& all) {
  auto seconds = [](const std::optional<std::int64_t>& ms) {
    return ms ? fmt::format("{:.1f} s", static_cast<double>(*ms) / 1000) : std::string("-");
  };
  std::string table =
      fmt::format("{:<10}  {:<11}  {:>10}  {:>10}  {:>6}  {:>7}  {:>7}  {:>14}\n", "RELEASE",
                  "ENDED", "SENT kB", "FULL kB", "SAVED", "EXPOSED", "DETECT", "LAST REVERT");
  for (const Facts& facts : all) {
    const double saved = facts.full_bytes == 0 ? 0
                                               : 100 - 100 * static_cast<double>(facts.bytes_sent) /
                                                           static_cast<double>(facts.full_bytes);
    table += fmt::format("{:<10}  {:<11}  {:>10.0f}  {:>10.0f}  {:>6}  {:>7}  {:>7}  {:>14}\n",
                         facts.chapter.release, facts.status,
                         static_cast<double>(facts.bytes_sent) / 1000,
                         static_cast<double>(facts.full_bytes) / 1000,
                         saved > 0 && facts.activations > 0 ? fmt::format("{:.0f} %", saved) : "-",
                         facts.activations, seconds(facts.detect_ms),
                         facts.revert_ms ? "+" + seconds(facts.revert_ms) : "-");
  }
  return table;
}

}  // namespace sluice::demo
