// Builds payloads beside the engine's thread: jobs in, results out, a bounded queue between.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "rollout_engine/core/delta_plan.h"
#include "rollout_engine/engine/limits.h"
#include "rollout_engine/registry/object_store.h"

namespace sluice {

struct PayloadJob {
  Digest artifact;
  PayloadRequest request;
};

/// What an offer says about a payload; its bytes and its head are objects.
struct BuiltPayload {
  Digest object;
  Digest head_digest;
  std::uint64_t size_bytes = 0;
  std::uint32_t head_size = 0;
};

struct PayloadResult {
  PayloadJob job;
  Result<BuiltPayload> built;
};

/// Reads, encodes, checks and stores one payload. E_OBJECT_HASH, E_NOT_FOUND, E_NO_SPACE, E_IO and
/// the encoder's.
Result<BuiltPayload> BuildPayload(const ObjectStore& objects, const PayloadJob& job);

/// The port. Called from the engine's thread.
class PayloadBuilder {
 public:
  virtual ~PayloadBuilder() = default;
  /// False: the queue is full, ask again later.
  virtual bool Submit(const PayloadJob& job) = 0;
  virtual std::vector<PayloadResult> TakeFinished() = 0;
};

/// Builds at once, on the caller's thread: simulation and tests.
class InlinePayloadBuilder final : public PayloadBuilder {
 public:
  explicit InlinePayloadBuilder(const ObjectStore& objects) : objects_(objects) {}
  bool Submit(const PayloadJob& job) override;
  std::vector<PayloadResult> TakeFinished() override;

 private:
  const ObjectStore& objects_;
  std::vector<PayloadResult> finished_;
};

/// One worker thread. `on_finished` is called on it and only wakes the engine's loop.
class ThreadedPayloadBuilder final : public PayloadBuilder {
 public:
  ThreadedPayloadBuilder(const ObjectStore& objects, std::function<void()> on_finished);
  ~ThreadedPayloadBuilder() override;
  bool Submit(const PayloadJob& job) override;
  std::vector<PayloadResult> TakeFinished() override;

 private:
  void Run();

  const ObjectStore& objects_;
  const std::function<void()> on_finished_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<PayloadJob> jobs_;
  std::vector<PayloadResult> finished_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sluice
