// The plugin's word to the engine that it serves chunks: retained JSON on
// sluice/v1/server/<server>/lease, renewed every 5 s. The engine believes a live renewal for 15 s;
// a retained copy proves nothing, since the plugin cannot leave a will.
//
// Broker thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker_plugin/broker.h"
#include "broker_plugin/chunk_service.h"

namespace sluice::plugin {

class Lease {
 public:
  Lease(Broker& broker, const Clock& clock, std::string boot);

  /// REQUIRES: a topic level. Before the first call nothing is published.
  void SetServer(std::string_view server);

  /// True when 5 s have passed since the last word, or at once when one of these changed. A TICK
  /// follows every message of the broker: what there is to say is gathered only if this says so.
  [[nodiscard]] bool IsDue(BootMs now, bool serving, std::uint64_t policy_seq) const;
  /// Publishes if it is due.
  void OnTick(BootMs now, const ServingStatus& status, std::size_t jobs, std::uint64_t policy_seq);

 private:
  Broker& broker_;
  const Clock& clock_;
  const std::string boot_;
  std::string server_;
  std::string topic_;
  std::optional<BootMs> published_at_;
  bool serving_ = false;
  std::uint64_t policy_seq_ = 0;
  std::uint64_t seq_ = 0;
};

}  // namespace sluice::plugin
