#include "device_sdk/daemon/agent_config.h"

#include <charconv>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "common/contract/limits.h"
#include "common/contract/topics.h"

namespace sluice::device {
namespace {

constexpr std::size_t kConfigBytesMax = 64 * 1024;
constexpr std::string_view kAttributePrefix = "attribute.";

std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
}

std::vector<std::string> Words(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Result<std::uint64_t> Number(std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most) {
    return value;
  }
  return Fail(ErrorCode::kCfgRange, "'" + std::string(text) + "' is not a whole number from " +
                                        std::to_string(least) + " to " + std::to_string(most));
}

Result<std::string> FirstLineOf(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return Fail(ErrorCode::kNotFound, "cannot read " + path);
  return line;
}

/// What each key does with its value.
using Setter = std::function<Status(std::string_view value)>;

Setter Text(std::string& target) {
  return [&target](std::string_view value) -> Status {
    target = value;
    return {};
  };
}

Setter CheckedText(std::string& target, Status (*check)(std::string_view, std::string_view),
                   std::string_view what) {
  return [&target, check, what](std::string_view value) -> Status {
    SLUICE_TRY(check(what, value));
    target = value;
    return {};
  };
}

Setter Command(std::vector<std::string>& target) {
  return [&target](std::string_view value) -> Status {
    target = Words(value);
    return {};
  };
}

template <class Target>
Setter Count(Target& target, std::uint64_t least, std::uint64_t most) {
  return [&target, least, most](std::string_view value) -> Status {
    SLUICE_ASSIGN(const std::uint64_t number, Number(value, least, most));
    target = Target(number);
    return {};
  };
}

std::map<std::string, Setter, std::less<>> Setters(AgentConfig& config) {
  sdk::DeviceOptions& device = config.device;
  return {
      {"state_dir", Text(device.state_dir)},
      {"broker", Text(device.broker_url)},
      {"fleet", CheckedText(device.fleet_id, CheckRegistryId, "fleet")},
      {"device", CheckedText(device.device_id, CheckIdentity, "device")},
      {"model", CheckedText(device.model, CheckRegistryId, "model")},
      {"hardware", CheckedText(device.hardware, CheckRegistryId, "hardware")},
      {"runtime_abi", Text(device.runtime_abi)},
      {"username", Text(device.username)},
      {"password_file",
       [&device](std::string_view value) -> Status {
         SLUICE_ASSIGN(device.password, FirstLineOf(std::string(value)));
         return {};
       }},
      {"tls_ca", Text(device.tls_ca_path)},
      {"tls_certificate", Text(device.tls_certificate_path)},
      {"tls_key", Text(device.tls_key_path)},
      {"chunk_bytes", Count(device.chunk_bytes, limits::kChunkBytesMin, limits::kChunkBytesMax)},
      {"window_bytes_max",
       Count(device.window_bytes_max, limits::kChunkBytesMin, limits::kWindowBytesMax)},
      {"keepalive_s", Count(device.keepalive, 5, 65'535)},
      {"hook_validate", Command(config.hooks.validate)},
      {"hook_activate", Command(config.hooks.activate)},
      {"hook_health", Command(config.hooks.health)},
  };
}

Status Set(AgentConfig& config, const std::map<std::string, Setter, std::less<>>& setters,
           std::string_view key, std::string_view value) {
  if (key.starts_with(kAttributePrefix)) {
    const std::string_view name = key.substr(kAttributePrefix.size());
    SLUICE_TRY(CheckRegistryId("attribute", name));
    SLUICE_TRY(CheckRegistryId("attribute value", value));
    config.device.attributes[std::string(name)] = value;
    return {};
  }
  const auto setter = setters.find(key);
  if (setter != setters.end()) return setter->second(value);
  return Fail(ErrorCode::kConfigUnknownKey, "nobody reads '" + std::string(key) + "'; remove it");
}

Status CheckComplete(const AgentConfig& config) {
  const sdk::DeviceOptions& device = config.device;
  const std::pair<const char*, const std::string&> needed[] = {{"broker", device.broker_url},
                                                               {"fleet", device.fleet_id},
                                                               {"device", device.device_id},
                                                               {"model", device.model},
                                                               {"hardware", device.hardware}};
  for (const auto& [key, value] : needed) {
    if (value.empty()) {
      return Fail(ErrorCode::kCfgIncomplete, std::string("add a line '") + key + " = ...'");
    }
  }
  if (device.attributes.size() <= limits::kAttributesMax) return {};
  return Fail(ErrorCode::kCfgRange,
              "at most " + std::to_string(limits::kAttributesMax) + " attributes");
}

}  // namespace

Result<AgentConfig> ParseAgentConfig(std::string_view text) {
  AgentConfig config;
  const auto setters = Setters(config);
  std::set<std::string, std::less<>> seen;
  std::size_t line_no = 0;
  while (!text.empty()) {
    ++line_no;
    const std::string_view line = Trim(text.substr(0, text.find('\n')));
    text.remove_prefix(std::min(text.size(), text.find('\n') == std::string_view::npos
                                                 ? text.size()
                                                 : text.find('\n') + 1));
    if (line.empty() || line.front() == '#') continue;
    const std::string where = "line " + std::to_string(line_no);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return Fail(ErrorCode::kCfgIncomplete, where + ": write 'key = value'");
    }
    const std::string_view key = Trim(line.substr(0, equals));
    if (!seen.insert(std::string(key)).second) {
      return Fail(ErrorCode::kCfgRange, where + ": '" + std::string(key) + "' stands twice");
    }
    if (const Status set = Set(config, setters, key, Trim(line.substr(equals + 1))); !set) {
      return Fail(set.error().With(where));
    }
  }
  SLUICE_TRY(CheckComplete(config));
  config.hooks.device_id = config.device.device_id;
  return config;
}

Result<AgentConfig> LoadAgentConfig(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Fail(ErrorCode::kNotFound, "cannot open " + path);
  std::string text(kConfigBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kConfigBytesMax) {
    return Fail(ErrorCode::kTooBig, path + " is longer than 64 KiB");
  }
  Result<AgentConfig> config = ParseAgentConfig(text);
  if (!config) return Fail(config.error().With(path));
  return config;
}

}  // namespace sluice::device
