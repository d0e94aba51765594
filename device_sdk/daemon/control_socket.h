// A Unix socket in the state directory through which `sluice-agent status` and `revert` reach the
// agent that runs.
//
// One request and one answer per connection: a line of text each. Only the directory's owner can
// connect.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "common/base/result.h"
#include "device_sdk/agent/unique_fd.h"

namespace sluice::device {

inline constexpr std::size_t kControlLineMax = 64 * 1024;

class ControlSocket {
 public:
  using Answer = std::function<std::string(const std::string& request)>;

  /// Serves on a thread of its own until destroyed. A socket left by an agent that died is
  /// replaced; the caller holds the store's lock, so none that lives is.
  static Result<std::unique_ptr<ControlSocket>> Serve(const std::string& state_dir, Answer answer);
  ~ControlSocket();

 private:
  ControlSocket(UniqueFd listener, std::string path, Answer answer);
  void Loop(const std::stop_token& stop);

  UniqueFd listener_;
  const std::string path_;
  const Answer answer_;
  std::jthread thread_;
};

/// The answer of the agent that runs on `state_dir`; E_NOT_FOUND when none does, E_TIMEOUT.
Result<std::string> AskAgent(const std::string& state_dir, const std::string& request);

}  // namespace sluice::device
