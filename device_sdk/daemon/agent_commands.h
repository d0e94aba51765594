// What `sluice-agent` does for each of its commands; every function returns the exit code.
#pragma once

#include <string>

#include "device_sdk/daemon/agent_config.h"

namespace sluice::device {

// Exit codes, the same as those of `sluice`.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitRejected = 4;
inline constexpr int kExitTimeout = 5;

/// Prints the error's line to stderr.
int FailWith(const Error& error);

struct InitArguments {
  std::string root_path, model_path, manifest_path;
  int slots = 2;
};
int InitDevice(const AgentConfig& config, const InitArguments& arguments);
/// Until SIGTERM or SIGINT. Logs to stderr.
int RunAgent(const AgentConfig& config);
int ShowStatus(const std::string& state_dir, bool as_json);
/// Checks a signed document as the device on `state_dir` would; a refusal's code goes to stdout.
int VerifyDocument(const std::string& state_dir, const std::string& type, const std::string& path);
int RevertDevice(const std::string& state_dir, const std::string& reason);
/// Reads every finished slot again and compares it with its manifest.
int ScrubSlots(const std::string& state_dir);

}  // namespace sluice::device
