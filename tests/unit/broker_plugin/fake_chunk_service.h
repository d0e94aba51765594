// A chunk service that does as it is told and writes down what it was asked.
#pragma once

#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker_plugin/chunk_service.h"

namespace sluice::plugin {

/// Outlives the service, which the plugin owns.
struct FakeChunks {
  bool takes = true;
  bool throws = false;
  bool paused = false;
  bool has_budgets = true;
  std::vector<std::string> fetched, gone;
  std::set<Digest> blocked;
  std::vector<ServingBudget> budgets;
  std::vector<ServingJob> jobs;
  int ticks = 0;
  int foreign = 0;
  int made = 0;
};

class FakeChunkService final : public ChunkService {
 public:
  explicit FakeChunkService(FakeChunks& log) : log_(log) { ++log_.made; }

  bool OnFetch(std::string_view device, const FetchRequest&, BootMs) override {
    if (log_.throws) throw std::runtime_error("the chunk service is broken");
    log_.fetched.emplace_back(device);
    return log_.takes && !log_.paused;
  }
  void OnDisconnect(std::string_view device) override { log_.gone.emplace_back(device); }
  void OnForeignMessage(BootMs) override { ++log_.foreign; }
  void OnTick(BootMs) override { ++log_.ticks; }
  void Block(const std::set<Digest>& objects) override { log_.blocked = objects; }
  void Pause() override { log_.paused = true; }
  void Resume() override { log_.paused = false; }
  bool SetBudget(const ServingBudget& budget) override {
    log_.budgets.push_back(budget);
    return log_.has_budgets;
  }
  [[nodiscard]] bool IsServing() const override { return !log_.paused; }
  [[nodiscard]] ServingStatus Status() const override {
    return {!log_.paused, 512 * 1'024, 65'280, 11, 12};
  }
  [[nodiscard]] std::size_t PendingJobs() const override { return log_.jobs.size(); }
  [[nodiscard]] std::vector<ServingJob> Jobs(std::size_t) const override { return log_.jobs; }

 private:
  FakeChunks& log_;
};

}  // namespace sluice::plugin
