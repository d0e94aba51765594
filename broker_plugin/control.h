// $CONTROL/sluice/v1: what engine and administrators ask of the plugin, in the shape of Mosquitto's
// dynamic security:
//   {"commands":[{"command":"kickDevice","device":"cam-1","correlationData":"7"}]}
// is answered with
//   {"responses":[{"command":"kickDevice","correlationData":"7"}]}
// where a response may hold "data", or "error" as "E_CODE: text". Commands:
//   getStatus; listJobs; pauseServing; resumeServing; reloadConfig
//   setBudget        turnBytes, bytesPerS, deviceBytesPerS: one or more of them
//   blockObjects     objects: SHA-256s in hex
//   setDevicePolicy  device, quarantined: true or false, seconds (how long; else as configured)
//   kickDevice       device
// Each may carry policySeq, a number that the lease repeats once the command was carried out.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker_plugin/chunk_service.h"
#include "common/base/bytes.h"

namespace sluice::plugin {

/// One line of getStatus: flat, numbers as numbers.
struct StatusReport {
  std::vector<std::pair<std::string, std::string>> texts;
  std::vector<std::pair<std::string, std::uint64_t>> numbers;
};

/// What the commands act on.
class ControlActions {
 public:
  virtual ~ControlActions() = default;
  [[nodiscard]] virtual StatusReport Report() const = 0;
  /// Null when nobody serves chunks in here.
  [[nodiscard]] virtual ChunkService* Chunks() = 0;
  virtual Status SetQuarantine(std::string_view device, bool on, std::uint32_t seconds) = 0;
  virtual void KickDevice(std::string_view device) = 0;
  /// E_CFG_... and so on; the configuration in force then stays.
  virtual Status ReloadConfig() = 0;
  /// With a number: all that may not be fetched, in as many parts as share the number; a higher one
  /// replaces what stood, a lower one is E_REPLAY. Without: adds to what stands.
  virtual Status BlockObjects(const std::set<Digest>& objects,
                              std::optional<std::uint64_t> seq) = 0;
};

/// Carries out the commands of one message, in their order, and returns the reply: always one, of
/// at most 64 KiB, whatever the message holds. A command that fails does not stop the next one.
std::string RunControl(ByteView message, ControlActions& actions);

}  // namespace sluice::plugin
