// Reads a snapshot and refuses what the judge could not answer with finite numbers.
#include <cmath>
#include <set>
#include <unordered_set>
#include <vector>

#include "rollout_engine/snapshot/snapshot_json.h"

namespace sluice {
namespace {

// Far beyond anything that a fleet counts, and small enough that no square, sum or quotient of
// them leaves the range of a double.
constexpr double kNumberMax = 9007199254740992.0;  // 2^53: every count is exact
constexpr double kSmallestRate = 1e-30;            // of alpha and limits
constexpr double kInformationMin = 1e-60;          // of iref
constexpr double kInformationMax = 1e60;
constexpr std::int64_t kCountMax = 2'147'483'647;

/// The first thing that is wrong; everything read after it is a default.
class Reader {
 public:
  void Refuse(const std::string& path, const std::string& why) {
    if (!error_) error_ = Error{ErrorCode::kSnapshotInvalid, path + ": " + why};
  }
  [[nodiscard]] bool ok() const { return !error_; }
  [[nodiscard]] const Error& error() const { return *error_; }

  /// Null when it is absent or of another type; only the latter is refused, unless `needed`.
  const SnapshotJson* Member(const SnapshotJson& object, const std::string& path, const char* key,
                             bool needed) {
    const auto found = object.find(key);
    if (found != object.end()) return &*found;
    if (needed) Refuse(path + key, "is missing");
    return nullptr;
  }

  double Number(const SnapshotJson& json, const std::string& path) {
    if (!json.is_number()) {
      Refuse(path, "must be a number");
      return 0;
    }
    const double number = json.get<double>();
    if (!(std::abs(number) <= kNumberMax)) Refuse(path, "must be a number of at most 2^53");
    return number;
  }
  double NotNegative(const SnapshotJson& json, const std::string& path) {
    const double number = Number(json, path);
    if (number < 0) Refuse(path, "must not be negative");
    return number;
  }
  /// In (0, 1).
  double Rate(const SnapshotJson& json, const std::string& path) {
    const double number = Number(json, path);
    if (ok() && !(number >= kSmallestRate && number < 1)) {
      Refuse(path, "must be above 0 (at least 1e-30) and below 1");
    }
    return number;
  }
  /// In [0, 1).
  double Share(const SnapshotJson& json, const std::string& path) {
    const double number = Number(json, path);
    if (!(number >= 0 && number < 1)) Refuse(path, "must be at least 0 and below 1");
    return number;
  }
  /// Absent = `otherwise`; without one it must be there.
  std::int32_t Count(const SnapshotJson& object, const std::string& path, const char* key,
                     std::optional<std::int32_t> otherwise = std::nullopt) {
    const SnapshotJson* json = Member(object, path, key, !otherwise.has_value());
    if (json == nullptr) return otherwise.value_or(1);
    return static_cast<std::int32_t>(Integer(*json, path + key, 1, kCountMax));
  }
  std::int64_t Integer(const SnapshotJson& json, const std::string& path, std::int64_t least,
                       std::int64_t most) {
    const std::string range = " of " + std::to_string(least) + " to " + std::to_string(most);
    if (!json.is_number_integer() || (json.is_number_unsigned() && json > most) || json < least ||
        json > most) {
      Refuse(path, "must be an integer" + range);
      return least;
    }
    return json.get<std::int64_t>();
  }
  bool Flag(const SnapshotJson& json, const std::string& path) {
    if (!json.is_boolean()) Refuse(path, "must be true or false");
    return json.is_boolean() && json.get<bool>();
  }
  std::string Text(const SnapshotJson& json, const std::string& path) {
    if (!json.is_string()) Refuse(path, "must be a string");
    return json.is_string() ? json.get<std::string>() : "";
  }
  const SnapshotJson& Object(const SnapshotJson& json, const std::string& path) {
    static const SnapshotJson kNone = SnapshotJson::object();
    if (json.is_object()) return json;
    Refuse(path, "must be an object");
    return kNone;
  }
  const SnapshotJson& Array(const SnapshotJson& json, const std::string& path) {
    static const SnapshotJson kNone = SnapshotJson::array();
    if (json.is_array()) return json;
    Refuse(path, "must be an array");
    return kNone;
  }

 private:
  std::optional<Error> error_;
};

std::string At(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

RatioCounts ReadCounts(Reader& reader, const SnapshotJson& json, const std::string& path) {
  RatioCounts counts;
  const SnapshotJson& rows = reader.Array(json, path);
  if (rows.size() != counts.size()) {
    reader.Refuse(path, "must have three rows [n, y]: errors, slow, accuracy");
    return counts;
  }
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const SnapshotJson& row = reader.Array(rows[i], At(path, i));
    if (row.size() != 2) {
      reader.Refuse(At(path, i), "must be [n, y]");
      return counts;
    }
    counts[i] = {reader.NotNegative(row[0], At(path, i)), reader.NotNegative(row[1], At(path, i))};
    if (counts[i].y > counts[i].n) reader.Refuse(At(path, i), "y must not be above n");
  }
  return counts;
}

JudgedDevice ReadDevice(Reader& reader, const SnapshotJson& json, const std::string& here) {
  const SnapshotJson& object = reader.Object(json, here);
  const std::string path = here + ".";
  JudgedDevice device;
  if (const auto* id = reader.Member(object, path, "id", true))
    device.id = reader.Text(*id, path + "id");
  if (const auto* arm = reader.Member(object, path, "arm", true)) {
    const std::string name = reader.Text(*arm, path + "arm");
    if (name != "canary" && name != "control")
      reader.Refuse(path + "arm", "must be canary or control");
    device.arm = name == "control" ? Arm::kControl : Arm::kTest;
  }
  if (const auto* stratum = reader.Member(object, path, "stratum", true))
    device.stratum = reader.Text(*stratum, path + "stratum");
  const auto number = [&](const char* key) {
    const SnapshotJson* member = reader.Member(object, path, key, true);
    return member == nullptr ? 0 : reader.NotNegative(*member, path + key);
  };
  device.since_activation_s = number("since_activation_s");
  device.silence_s = number("silence_s");
  device.crashes = number("crashes");
  if (const auto* cum = reader.Member(object, path, "cum", true))
    device.cum = ReadCounts(reader, *cum, path + "cum");
  if (const auto* epoch = reader.Member(object, path, "epoch", true))
    device.epoch = ReadCounts(reader, *epoch, path + "epoch");
  if (const auto* pre = reader.Member(object, path, "pre", false); pre && !pre->is_null())
    device.pre = ReadCounts(reader, *pre, path + "pre");
  return device;
}

void ReadDevices(Reader& reader, const SnapshotJson& json, const std::string& path,
                 JudgeInput& input) {
  std::unordered_set<std::string_view> ids;
  input.devices.reserve(reader.Array(json, path).size());
  for (std::size_t i = 0; i < json.size() && reader.ok(); ++i) {
    input.devices.push_back(ReadDevice(reader, json[i], At(path, i)));
    if (!ids.insert(input.devices.back().id).second)
      reader.Refuse(At(path, i) + ".id", "stands there twice");
  }
}

void ReadStrata(Reader& reader, const SnapshotJson& json, const std::string& path,
                JudgeConfig& config) {
  std::set<std::string> seen = {"fleet"};  // the name of the scope that every device is in
  for (const SnapshotJson& item : reader.Array(json, path)) {
    config.strata.push_back(reader.Text(item, At(path, config.strata.size())));
    if (!seen.insert(config.strata.back()).second) {
      reader.Refuse(At(path, config.strata.size() - 1), "must be unique, and not 'fleet'");
    }
  }
}

void ReadConfig(Reader& reader, const SnapshotJson& json, const std::string& here,
                JudgeConfig& config) {
  const SnapshotJson& object = reader.Object(json, here);
  const std::string path = here + ".";
  if (const auto* limits = reader.Member(object, path, "limits", true)) {
    const SnapshotJson& by_metric = reader.Object(*limits, path + "limits");
    for (const Metric metric : kMetrics) {
      const std::string name(MetricName(metric));
      const auto* limit = reader.Member(by_metric, path + "limits.", name.c_str(), false);
      if (limit == nullptr) continue;
      config.limits[static_cast<std::size_t>(metric)] =
          reader.Rate(*limit, path + "limits." + name);
    }
  }
  if (const auto* alpha = reader.Member(object, path, "alpha", true))
    config.alpha = reader.Rate(*alpha, path + "alpha");
  config.planned_looks = reader.Count(object, path, "planned_looks");
  config.epochs = reader.Count(object, path, "epochs");
  config.grace_looks = reader.Count(object, path, "grace_looks");
  if (const auto* strata = reader.Member(object, path, "strata", true))
    ReadStrata(reader, *strata, path + "strata", config);
  if (const auto* tau = reader.Member(object, path, "tau", true))
    config.tau = reader.Share(*tau, path + "tau");
  if (const auto* delta = reader.Member(object, path, "delta", true))
    config.delta = reader.Share(*delta, path + "delta");
  if (const auto* interval = reader.Member(object, path, "interval_s", true)) {
    config.interval_s = reader.NotNegative(*interval, path + "interval_s");
    if (config.interval_s <= 0) reader.Refuse(path + "interval_s", "must be above 0");
  }
  if (const auto* deltas = reader.Member(object, path, "deltas", false)) {
    const SnapshotJson& by_test = reader.Object(*deltas, path + "deltas");
    for (const VerdictTest test : kVerdictTests) {
      const std::string name(VerdictTestName(test));
      const auto* delta = reader.Member(by_test, path + "deltas.", name.c_str(), false);
      if (delta == nullptr) continue;
      config.deltas[static_cast<std::size_t>(test)] = reader.Share(*delta, path + "deltas." + name);
    }
  }
  if (const auto* alpha = reader.Member(object, path, "promote_alpha", false))
    config.promote_alpha = reader.Rate(*alpha, path + "promote_alpha");
  config.min_devices = reader.Count(object, path, "min_devices", config.min_devices);
  if (const auto* extendable = reader.Member(object, path, "extendable", false))
    config.extendable = reader.Flag(*extendable, path + "extendable");
}

FormerControl ReadFormer(Reader& reader, const SnapshotJson& json, const std::string& here) {
  const SnapshotJson& object = reader.Object(json, here);
  const auto number = [&](const char* key) {
    const SnapshotJson* member = reader.Member(object, here + ".", key, false);
    return member == nullptr ? 0 : reader.Number(*member, here + "." + key);
  };
  const FormerControl former{.theta = number("theta"),
                             .variance = number("V"),
                             .m = number("m"),
                             .raw = number("raw"),
                             .x0 = number("x0"),
                             .m0 = number("m0")};
  if (former.variance < 0 || former.m < 0 || former.x0 < 0 || former.x0 > former.m0)
    reader.Refuse(here, "needs V >= 0, m >= 0 and 0 <= x0 <= m0");
  return former;
}

void ReadState(Reader& reader, const SnapshotJson& json, const std::string& here,
               JudgeState& state) {
  const SnapshotJson& object = reader.Object(json, here);
  if (const auto* iref = reader.Member(object, here + ".", "iref", false)) {
    for (const auto& [key, value] : reader.Object(*iref, here + ".iref").items()) {
      const std::string path = here + ".iref." + key;
      // Not Number: an information may well be above 2^53.
      const double information = value.is_number() ? value.get<double>() : 0;
      if (!(information >= kInformationMin && information <= kInformationMax))
        reader.Refuse(path, "must be a number above 0 (1e-60 to 1e60)");
      state.iref[key] = information;
    }
  }
  if (const auto* control = reader.Member(object, here + ".", "control", false)) {
    state.control.emplace();
    for (const auto& [key, value] : reader.Object(*control, here + ".control").items()) {
      (*state.control)[key] = ReadFormer(reader, value, here + ".control." + key);
    }
  }
}

void ReadInput(Reader& reader, const SnapshotJson& json, const std::string& prefix,
               JudgeInput& input) {
  if (const auto* config = reader.Member(json, prefix, "config", true))
    ReadConfig(reader, *config, prefix + "config", input.config);
  input.look = reader.Count(json, prefix, "look");
  if (const auto* elapsed = reader.Member(json, prefix, "elapsed_s", true))
    input.elapsed_s = reader.Integer(*elapsed, prefix + "elapsed_s", 0, kCountMax);
  if (const auto* end = reader.Member(json, prefix, "at_soak_end", true))
    input.at_soak_end = reader.Flag(*end, prefix + "at_soak_end");
  if (const auto* state = reader.Member(json, prefix, "state", false))
    ReadState(reader, *state, prefix + "state", input.state);
  if (const auto* devices = reader.Member(json, prefix, "devices", true))
    ReadDevices(reader, *devices, prefix + "devices", input);
}

/// Notices a member that stands twice in one object: the library would keep one of them silently.
class DuplicateWatch {
 public:
  bool operator()(int, SnapshotJson::parse_event_t event, SnapshotJson& parsed) {
    using Event = SnapshotJson::parse_event_t;
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(parsed.get<std::string>()).second &&
        duplicate_.empty()) {
      duplicate_ = parsed.get<std::string>();
    }
    return true;
  }
  [[nodiscard]] const std::string& duplicate() const { return duplicate_; }

 private:
  std::vector<std::unordered_set<std::string>> keys_;
  std::string duplicate_;
};

}  // namespace

Result<Snapshot> ParseSnapshot(std::string_view text) {
  SnapshotJson json;
  DuplicateWatch watch;
  try {
    json = SnapshotJson::parse(text, std::ref(watch));
  } catch (const nlohmann::json::exception& e) {
    return Fail(ErrorCode::kSnapshotInvalid, std::string("not JSON: ") + e.what());
  }
  Reader reader;
  if (!watch.duplicate().empty()) reader.Refuse(watch.duplicate(), "stands twice in one object");
  if (!json.is_object()) reader.Refuse("the file", "must be a JSON object");
  Snapshot snapshot;
  if (reader.ok()) {
    const auto wrapped = json.find("input");
    const bool is_wrapped = wrapped != json.end();
    if (is_wrapped) reader.Object(*wrapped, "input");
    if (reader.ok()) {
      ReadInput(reader, is_wrapped ? *wrapped : json, is_wrapped ? "input." : "", snapshot.input);
    }
    if (const auto tolerance = json.find("tolerance_rel"); is_wrapped && tolerance != json.end())
      snapshot.tolerance_rel = reader.Share(*tolerance, "tolerance_rel");
  }
  if (!reader.ok()) return Fail(reader.error());
  if (const auto expected = json.find("expected"); expected != json.end())
    snapshot.expected = std::move(*expected);
  return snapshot;
}

}  // namespace sluice
