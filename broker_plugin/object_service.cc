#include "broker_plugin/object_service.h"

#include <utility>

namespace sluice::plugin {

ObjectService::ObjectService(const ServingConfig& config, Broker& broker, const Clock& clock)
    : broker_(broker),
      clock_(clock),
      config_(config),
      files_(config.objects_dir),
      read_ahead_(reads_),
      server_({.tick_bytes = config.turn_bytes,
               .bytes_per_s = config.bytes_per_s,
               .device_bytes_per_s = config.device_bytes_per_s,
               .queue_length = config.max_queued_messages},
              {broker, files_, reads_, read_ahead_}, clock.Boot()) {}

bool ObjectService::OnFetch(std::string_view device, const FetchRequest& request, BootMs now) {
  const bool ours = server_.OnFetch(device, request, now);
  WakeWhilePending();
  return ours;
}

void ObjectService::OnTick(BootMs now) {
  // Nearly every turn of a broker that updates nobody.
  if (!server_.HasPendingJobs() && !is_awake_) return;
  server_.OnTick(now);
  WakeWhilePending();
}

void ObjectService::WakeWhilePending() {
  if (server_.HasPendingJobs() && !std::exchange(timer_tried_, true)) {
    Result<WakeTimer> timer = WakeTimer::ForThisThread();
    if (timer) {
      timer_.emplace(std::move(*timer));
    } else {
      broker_.Log(LogLevel::kWarning,
                  timer.error().Line() + "; chunks are served, but ten times a second at best");
    }
  }
  is_awake_ = server_.HasPendingJobs();
  if (timer_) timer_->Set(is_awake_);
}

bool ObjectService::SetBudget(const ServingBudget& budget) {
  config_.turn_bytes = budget.turn_bytes.value_or(config_.turn_bytes);
  config_.bytes_per_s = budget.bytes_per_s.value_or(config_.bytes_per_s);
  config_.device_bytes_per_s = budget.device_bytes_per_s.value_or(config_.device_bytes_per_s);
  server_.SetBudget(config_.turn_bytes, config_.bytes_per_s, config_.device_bytes_per_s,
                    clock_.Boot());
  return true;
}

ServingStatus ObjectService::Status() const {
  const ChunkStatusView view = server_.Snapshot(clock_.Boot());
  return {.serving = view.serving,
          .max_window_bytes = view.max_window_bytes,
          .chunk_bytes_max = view.chunk_bytes_max,
          .bytes_per_s = view.bytes_per_s,
          .bytes_served = view.counters.bytes};
}

std::size_t ObjectService::PendingJobs() const { return server_.pending_jobs(); }

std::vector<ServingJob> ObjectService::Jobs(std::size_t count_max) const {
  std::vector<ServingJob> jobs;
  for (ChunkJobView& view : server_.ListJobs(count_max, clock_.Boot()))
    jobs.push_back({std::move(view.device), view.object, view.unsent_bytes});
  return jobs;
}

}  // namespace sluice::plugin
