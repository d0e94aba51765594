// What an agent is told about itself.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/contract/limits.h"

namespace sluice::device {

inline constexpr std::string_view kAgentVersion = "0.1.0";

struct AgentOptions {
  std::string fleet_id, device_id, model, hardware, runtime_abi;
  std::map<std::string, std::string> attributes;
  std::uint32_t chunk_bytes = limits::kChunkBytesDefault;
  std::uint32_t window_bytes_max = limits::kWindowBytesMax;
  std::function<void(std::string_view)> log;  // one line per event worth reading; may be empty
  std::function<std::uint32_t()> rss_kb;      // of the process that serves; may be empty
};

}  // namespace sluice::device
