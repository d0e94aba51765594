// What the plugin needs of whoever serves chunks inside the broker. Without one, or while it
// declines, a fetch is routed to the engine like any other message.
//
// Broker thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/contract/fetch.h"

namespace sluice::plugin {

/// What the lease tells the engine.
struct ServingStatus {
  bool serving = false;  // false while paused or without objects to serve
  std::uint32_t max_window_bytes = 0;
  std::uint32_t chunk_bytes_max = 0;
  std::uint64_t bytes_per_s = 0;   // sent in the last second
  std::uint64_t bytes_served = 0;  // since the plugin was loaded
};

/// Limits that an administrator may change while it runs; what is absent stays as it is.
struct ServingBudget {
  std::optional<std::uint32_t> turn_bytes;          // per turn of the broker's loop
  std::optional<std::uint64_t> bytes_per_s;         // of all devices, 0 = no limit
  std::optional<std::uint64_t> device_bytes_per_s;  // of each device, 0 = no limit
};

/// One device's window that is not wholly sent.
struct ServingJob {
  std::string device;
  Digest object;
  std::uint64_t bytes_left = 0;
};

class ChunkService {
 public:
  virtual ~ChunkService() = default;

  /// True when the request is served from here, so that nobody else shall see it. Called inside
  /// MESSAGE: queues and publishes nothing. `request` has passed the contract's checks.
  virtual bool OnFetch(std::string_view device, const FetchRequest& request, BootMs now) = 0;
  /// A hint: the device may be back already on another connection.
  virtual void OnDisconnect(std::string_view device) = 0;
  /// Anything but a fetch: others use the broker now, and a turn must not be long.
  virtual void OnForeignMessage(BootMs /*now*/) {}
  /// Once per turn of the broker's loop; the only place to publish chunks.
  virtual void OnTick(BootMs now) = 0;
  /// Replaces the objects that nobody may fetch: they are answered with `denied`, and jobs for them
  /// end at once.
  virtual void Block(const std::set<Digest>& objects) = 0;
  /// Ends all jobs and declines every fetch until Resume.
  virtual void Pause() = 0;
  virtual void Resume() = 0;
  /// False when there is no such budget to set.
  virtual bool SetBudget(const ServingBudget& /*budget*/) { return false; }
  [[nodiscard]] virtual bool IsServing() const = 0;  // as Status() says it, for every turn
  [[nodiscard]] virtual ServingStatus Status() const = 0;
  [[nodiscard]] virtual std::size_t PendingJobs() const = 0;
  /// At most `count_max` of the pending jobs, for people to look at.
  [[nodiscard]] virtual std::vector<ServingJob> Jobs(std::size_t /*count_max*/) const { return {}; }
};

}  // namespace sluice::plugin
