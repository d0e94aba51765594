// The configuration file of sluice-agent: `key = value` lines, # comments, every key known or
// refused.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "device_sdk/daemon/hook_runner.h"

namespace sluice::device {

struct AgentConfig {
  sdk::DeviceOptions device;
  HookCommands hooks;
};

/// Keys: broker, fleet, device, model, hardware (all needed), state_dir, runtime_abi, username,
/// password_file, tls_ca, tls_certificate, tls_key, chunk_bytes, window_bytes_max, keepalive_s,
/// attribute.NAME, hook_validate, hook_activate, hook_health (words separated by spaces).
/// E_CONFIG_UNKNOWN_KEY, E_CFG_RANGE, E_CFG_INCOMPLETE, E_BAD_IDENTITY, E_BAD_ID; each names the
/// line.
Result<AgentConfig> ParseAgentConfig(std::string_view text);
/// The same from a file of at most 64 KiB. E_NOT_FOUND.
Result<AgentConfig> LoadAgentConfig(const std::string& path);

}  // namespace sluice::device
