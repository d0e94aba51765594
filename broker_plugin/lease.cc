#include "broker_plugin/lease.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "broker_plugin/limits.h"

namespace sluice::plugin {

Lease::Lease(Broker& broker, const Clock& clock, std::string boot)
    : broker_(broker), clock_(clock), boot_(std::move(boot)) {}

void Lease::SetServer(std::string_view server) {
  server_ = server;
  topic_ = "sluice/v1/server/" + server_ + "/lease";
}

bool Lease::IsDue(BootMs now, bool serving, std::uint64_t policy_seq) const {
  if (topic_.empty()) return false;
  if (serving != serving_ || policy_seq != policy_seq_) return true;
  return !published_at_ || now - *published_at_ >= limits::kLeaseInterval;
}

void Lease::OnTick(BootMs now, const ServingStatus& status, std::size_t jobs,
                   std::uint64_t policy_seq) {
  if (!IsDue(now, status.serving, policy_seq)) return;
  published_at_ = now;
  serving_ = status.serving;
  policy_seq_ = policy_seq;
  const nlohmann::ordered_json lease = {
      {"server", server_},
      {"boot", boot_},
      {"seq", ++seq_},
      {"serving", status.serving},
      {"max_window_bytes", status.max_window_bytes},
      {"chunk_bytes_max", status.chunk_bytes_max},
      {"jobs", jobs},
      {"bytes_per_s", status.bytes_per_s},
      {"policy_seq", policy_seq},
      {"ts", clock_.Wall().ms},
  };
  broker_.PublishCopy(topic_, AsBytes(lease.dump()), 1, true);
}

}  // namespace sluice::plugin
