// The chunk service of a real broker: files, the reader thread, the chunk server and the timer that
// wakes the broker, put together.
//
// Broker thread only; it must be made there, too.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "broker_plugin/chunk_server.h"
#include "broker_plugin/chunk_service.h"
#include "broker_plugin/object_files.h"
#include "broker_plugin/plugin_config.h"
#include "broker_plugin/read_ahead.h"
#include "broker_plugin/wake_timer.h"

namespace sluice::plugin {

class ObjectService final : public ChunkService {
 public:
  /// `broker` and `clock` outlive it. An objects folder that is not there yet is no error: until it
  /// is, every fetch is the engine's.
  ObjectService(const ServingConfig& config, Broker& broker, const Clock& clock);

  bool OnFetch(std::string_view device, const FetchRequest& request, BootMs now) override;
  void OnDisconnect(std::string_view device) override { server_.OnDisconnect(device); }
  void OnForeignMessage(BootMs now) override { server_.OnForeignMessage(now); }
  void OnTick(BootMs now) override;
  void Block(const std::set<Digest>& objects) override { server_.Block(objects); }
  void Pause() override { server_.Pause(); }
  void Resume() override { server_.Resume(); }
  bool SetBudget(const ServingBudget& budget) override;
  [[nodiscard]] bool IsServing() const override { return server_.IsServing(); }
  [[nodiscard]] ServingStatus Status() const override;
  [[nodiscard]] std::size_t PendingJobs() const override;
  [[nodiscard]] std::vector<ServingJob> Jobs(std::size_t count_max) const override;

 private:
  void WakeWhilePending();

  Broker& broker_;
  const Clock& clock_;
  ServingConfig config_;
  ObjectFiles files_;
  SystemFileReads reads_;
  ThreadReadAhead read_ahead_;
  ChunkServer server_;
  std::optional<WakeTimer> timer_;  // made with the first job
  bool timer_tried_ = false;
  bool is_awake_ = false;  // jobs were pending when it last looked
};

}  // namespace sluice::plugin
