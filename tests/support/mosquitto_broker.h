// Debian's mosquitto as a child process on a loopback port of the kernel's choice, for one test.
//
// It ends with this object, and by PDEATHSIG with the test process even if that is killed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "tests/support/temporary_directory.h"

namespace sluice::test_support {

class MosquittoBroker {
 public:
  /// Starts it and waits until it accepts connections. `more_config` is put at the end of its
  /// configuration. E_NOT_FOUND without the program, E_TIMEOUT with the broker's log when it does
  /// not come up.
  static Result<std::unique_ptr<MosquittoBroker>> Start(const std::string& more_config = {});
  ~MosquittoBroker() { Stop(); }
  MosquittoBroker(const MosquittoBroker&) = delete;
  MosquittoBroker& operator=(const MosquittoBroker&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string Url() const { return "tcp://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string Log() const;

  /// Waits until its log holds `text`; false when patience ran out.
  [[nodiscard]] bool AwaitLog(const std::string& text) const;
  /// SIGHUP: it reads its configuration again, and so do its plugins.
  void Reload() const;

  /// SIGTERM and a wait for its end. Nothing is kept: it runs without persistence.
  void Stop();
  /// It ended by itself with status 0 when it was stopped last.
  [[nodiscard]] bool ended_well() const { return ended_well_; }
  /// Stops it if need be and starts it on the same port.
  Status Restart();

 private:
  MosquittoBroker() = default;
  Status Spawn();
  Status AwaitAccept();

  TemporaryDirectory directory_;
  std::string more_config_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
  bool ended_well_ = false;
};

/// A loopback port that nobody listened on a moment ago.
std::uint16_t FreePort();

}  // namespace sluice::test_support
