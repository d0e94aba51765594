#include "broker_plugin/plugin_config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>

#include "common/contract/topics.h"

namespace sluice::plugin {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kFileOption = "config";

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (text = Trim(text); !text.empty();) {
    const std::size_t end = std::min(text.find_first_of(kBlanks), text.size());
    words.push_back(text.substr(0, end));
    text = Trim(text.substr(end));
  }
  return words;
}

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Status SetName(std::string_view value, std::string& to) {
  if (!IsTopicLevel(value)) return Fail(ErrorCode::kCfgRange, "allowed [A-Za-z0-9_-]{1,64}");
  to = value;
  return {};
}

Status SetPath(std::string_view value, std::string& to) {
  if (!value.starts_with('/')) return Fail(ErrorCode::kCfgRange, "give an absolute path");
  to = value;
  return {};
}

Status SetSwitch(std::string_view value, std::string_view yes, std::string_view no, bool& to) {
  if (value != yes && value != no) {
    return Fail(ErrorCode::kCfgRange,
                "allowed are '" + std::string(yes) + "' and '" + std::string(no) + "'");
  }
  to = value == yes;
  return {};
}

template <class T>
Status SetNumber(std::string_view value, T low, T high, T& to) {
  T number{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || number < low || number > high) {
    return Fail(ErrorCode::kCfgRange,
                "give a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  to = number;
  return {};
}

Status AddUsers(std::string_view value, NameSet& to) {
  for (const std::string_view name : Words(value)) {
    if (name.size() > limits::kUserNameMax || !IsPrintable(name)) {
      return Fail(ErrorCode::kCfgRange, "a user name is 1 to 256 printable characters");
    }
    to.emplace(name);
    if (to.size() > limits::kConfigNamesMax) {
      return Fail(ErrorCode::kTooBig, "more than 10000 names; use device_prefix");
    }
  }
  return {};
}

Status AddDevices(std::string_view value, NameSet& to) {
  for (const std::string_view name : Words(value)) SLUICE_TRY(CheckIdentity("a device", name));
  return AddUsers(value, to);
}

Status AddPrefixes(std::string_view value, std::vector<std::string>& to) {
  for (const std::string_view prefix : Words(value)) {
    SLUICE_TRY(CheckIdentity("a prefix", prefix));
    to.emplace_back(prefix);
    if (to.size() > limits::kConfigNamesMax) return Fail(ErrorCode::kTooBig, "too many prefixes");
  }
  return {};
}

struct Key {
  Status (*set)(PluginConfig& config, std::string_view value);
  bool repeats = false;
};

template <auto member>
Status SetRate(PluginConfig& config, std::string_view value) {
  return SetNumber<std::uint32_t>(value, 1, limits::kRateMax, config.rates.*member);
}

template <auto member>
Status SetByteRate(PluginConfig& config, std::string_view value) {
  return SetNumber<std::uint64_t>(value, 0, std::uint64_t{1} << 40, config.serving.*member);
}

const std::map<std::string_view, Key>& Keys() {
  using C = PluginConfig;
  using V = std::string_view;
  static const std::map<std::string_view, Key> keys = {
      {"server", {[](C& c, V v) { return SetName(v, c.server); }}},
      {"engine_users", {[](C& c, V v) { return AddUsers(v, c.engine_users); }, true}},
      {"operator_users", {[](C& c, V v) { return AddUsers(v, c.operator_users); }, true}},
      {"admin_users", {[](C& c, V v) { return AddUsers(v, c.admin_users); }, true}},
      {"device_users", {[](C& c, V v) { return AddDevices(v, c.device_users); }, true}},
      {"device_prefix", {[](C& c, V v) { return AddPrefixes(v, c.device_prefixes); }, true}},
      {"client_id_is_username",
       {[](C& c, V v) { return SetSwitch(v, "on", "off", c.client_id_is_username); }}},
      {"foreign_topics",
       {[](C& c, V v) { return SetSwitch(v, "allow", "defer", c.allow_foreign_topics); }}},
      {"acl", {[](C& c, V v) { return SetSwitch(v, "on", "off", c.acl); }}},
      {"basic_auth", {[](C& c, V v) { return SetSwitch(v, "on", "off", c.basic_auth); }}},
      {"messages_per_s", {&SetRate<&RateLimits::messages_per_s>}},
      {"messages_burst", {&SetRate<&RateLimits::messages_burst>}},
      {"fetches_per_s", {&SetRate<&RateLimits::fetches_per_s>}},
      {"malformed_max", {&SetRate<&RateLimits::malformed_max>}},
      // No bucket may be smaller than the largest message, or that one would never pass.
      {"up_bytes_per_s", {[](C& c, V v) {
         return SetNumber<std::uint32_t>(v, sluice::limits::kHelloBytesMax, limits::kByteRateMax,
                                         c.rates.up_bytes_per_s);
       }}},
      {"quarantine_s", {[](C& c, V v) {
         return SetNumber<std::uint32_t>(v, 1, limits::kQuarantineSecondsMax, c.rates.quarantine_s);
       }}},
      {"serving", {[](C& c, V v) { return SetSwitch(v, "on", "off", c.serving.on); }}},
      {"objects_dir", {[](C& c, V v) { return SetPath(v, c.serving.objects_dir); }}},
      {"turn_bytes", {[](C& c, V v) {
         return SetNumber<std::uint32_t>(v, limits::kTurnBytesMin, limits::kTurnBytesMax,
                                         c.serving.turn_bytes);
       }}},
      {"bytes_per_s", {&SetByteRate<&ServingConfig::bytes_per_s>}},
      {"device_bytes_per_s", {&SetByteRate<&ServingConfig::device_bytes_per_s>}},
      {"max_queued_messages", {[](C& c, V v) {
         return SetNumber<std::uint32_t>(v, 1, limits::kRateMax, c.serving.max_queued_messages);
       }}},
  };
  return keys;
}

/// Applies one setting. `seen` are the keys that `where`'s source had before.
Status Apply(const std::string& where, std::string_view key, std::string_view value, NameSet& seen,
             PluginConfig& config) {
  const auto known = Keys().find(key);
  if (known == Keys().end()) {
    return Fail(ErrorCode::kConfigUnknownKey,
                where + ": no such key: " + std::string(key.substr(0, limits::kShownTextMax)));
  }
  if (value.empty()) return Fail(ErrorCode::kUsage, where + ": write `key value`");
  if (!seen.emplace(key).second && !known->second.repeats) {
    return Fail(ErrorCode::kConflict, where + ": " + std::string(key) + " is set twice");
  }
  const Status set = known->second.set(config, value);
  if (!set) return Fail(set.error().With(where + ": " + std::string(key)));
  return {};
}

/// `line` without its comment, cut into key and value.
std::pair<std::string_view, std::string_view> SplitLine(std::string_view line) {
  line = Trim(line.substr(0, line.find('#')));
  const std::size_t blank = std::min(line.find_first_of(kBlanks), line.size());
  return {line.substr(0, blank), Trim(line.substr(blank))};
}

std::string_view TakeLine(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

Status ApplyFile(std::string_view text, const NameSet& overridden, PluginConfig& config) {
  NameSet seen;
  for (int number = 1; !text.empty(); ++number) {
    const auto [key, value] = SplitLine(TakeLine(text));
    if (key.empty()) continue;
    // Checked all the same, into a config that is thrown away: a bad line stays an error.
    PluginConfig unused;
    PluginConfig& target = overridden.contains(key) ? unused : config;
    SLUICE_TRY(Apply("line " + std::to_string(number), key, value, seen, target));
  }
  return {};
}

/// What no single line can be wrong about.
Status CheckWhole(const PluginConfig& config) {
  if (config.engine_users.empty()) {
    return Fail(ErrorCode::kCfgIncomplete, "engine_users: name at least one user");
  }
  if (config.serving.on && config.serving.objects_dir.empty()) {
    return Fail(ErrorCode::kCfgIncomplete, "serving on needs objects_dir");
  }
  NameSet all;
  for (const NameSet* role :
       {&config.engine_users, &config.operator_users, &config.admin_users, &config.device_users}) {
    for (const std::string& name : *role) {
      if (!all.insert(name).second) {
        return Fail(ErrorCode::kConflict, "the user " + name + " is named in two roles");
      }
    }
  }
  return {};
}

/// The text of the file that the option `config` names; empty without one.
Result<std::string> ReadConfigFile(const PluginOptions& options) {
  std::string text;
  for (const auto& [key, path] : options) {
    if (key != kFileOption) continue;
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      return Fail(
          ErrorCode::kIo,
          "cannot read " + path + "; the broker reads it as its own user, after it gave up root");
    }
    text.resize(limits::kConfigBytesMax +
                1);  // one more than is allowed, to see that there is more
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) return Fail(ErrorCode::kIo, "cannot read " + path);
    text.resize(static_cast<std::size_t>(file.gcount()));
  }
  return text;
}

/// Sets one of the settings that describe the broker, not the fleet; anything else is passed over.
void ApplyBrokerFact(std::string_view key, std::string_view value, PluginConfig& config) {
  if (key != "acl" && key != "basic_auth" && key != "foreign_topics") return;
  PluginConfig changed = config;
  if (Keys().at(key).set(changed, value)) config = changed;
}

}  // namespace

Result<PluginConfig> ParsePluginConfig(std::string_view text, const PluginOptions& options) {
  if (text.size() > limits::kConfigBytesMax) {
    return Fail(ErrorCode::kTooBig, "the configuration is longer than 256 KiB");
  }
  NameSet overridden;
  for (const auto& [key, value] : options) overridden.insert(key);
  PluginConfig config;
  SLUICE_TRY(ApplyFile(text, overridden, config));
  NameSet seen;
  for (const auto& [key, value] : options) {
    if (key == kFileOption) continue;
    SLUICE_TRY(Apply("plugin_opt_" + key.substr(0, limits::kShownTextMax), key, Trim(value), seen,
                     config));
  }
  SLUICE_TRY(CheckWhole(config));
  return config;
}

Result<PluginConfig> LoadPluginConfig(const PluginOptions& options) {
  SLUICE_ASSIGN(const std::string text, ReadConfigFile(options));
  return ParsePluginConfig(text, options);
}

PluginConfig ClosedPluginConfig(const PluginOptions& options) noexcept {
  PluginConfig config;
  try {
    const Result<std::string> file = ReadConfigFile(options);
    std::string_view text = file ? std::string_view(*file) : std::string_view{};
    while (!text.empty()) {
      const auto [key, value] = SplitLine(TakeLine(text));
      ApplyBrokerFact(key, value, config);
    }
    for (const auto& [key, value] : options) ApplyBrokerFact(key, Trim(value), config);
  } catch (...) {  // no memory: what was made out so far
  }
  return config;
}

}  // namespace sluice::plugin
