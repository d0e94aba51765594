// The engine's thread: one bounded queue of what the transport says and what callers ask; a turn
// drains it, then commits once.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>

#include "rollout_engine/engine/engine.h"

namespace sluice {

/// Every method from any thread, but Start and Stop from one.
class EngineLoop final : public TransportEvents {
 public:
  /// `on_failure` is called once, on the loop's thread, when the engine stands still because its
  /// store failed.
  explicit EngineLoop(std::function<void(const Error&)> on_failure)
      : on_failure_(std::move(on_failure)) {}
  ~EngineLoop() override { Stop(); }

  /// `engine` outlives Stop, and nobody else touches it until then.
  void Start(Engine& engine);
  /// Ends the turn that runs; whoever waits is refused.
  void Stop();
  /// Something outside the queue is ready: a payload.
  void Wake();

  /// Runs `work(engine)` inside a turn and returns its value once that turn is durable.
  /// E_QUEUE_FULL, E_STATE while stopping, E_STORE_*.
  template <class Work>
  auto Run(Work work) -> Result<std::invoke_result_t<Work, Engine&>> {
    std::optional<std::invoke_result_t<Work, Engine&>> value;
    SLUICE_TRY(RunInTurn([&](Engine& engine) { value.emplace(work(engine)); }));
    return std::move(*value);
  }

  /// Messages that a full queue has cost; their senders repeat what matters.
  [[nodiscard]] std::uint64_t dropped_messages() const;

  void OnConnected() override;
  void OnDisconnected(const Error& why) override;
  void OnMessage(MqttMessage message) override;
  void OnPublished(std::uint64_t, bool) override {}

 private:
  struct Connection {
    bool up = false;
  };
  struct Call {
    std::function<void(Engine&)> work;
    std::promise<Status> done;
  };
  using Item = std::variant<MqttMessage, Connection, Call>;

  Status RunInTurn(std::function<void(Engine&)> work);
  void Push(Item item);
  void ThreadMain();
  void RunTurn(std::deque<Item> items);
  /// Waits for input or the engine's deadline, then takes at most one turn's worth; nothing when
  /// stopping.
  std::optional<std::deque<Item>> NextItems();

  const std::function<void(const Error&)> on_failure_;
  Engine* engine_ = nullptr;
  std::thread thread_;

  mutable std::mutex mutex_;  // all below
  std::condition_variable changed_;
  std::deque<Item> items_;
  std::size_t item_bytes_ = 0;
  std::uint64_t dropped_messages_ = 0;
  bool woken_ = false;
  bool stopping_ = true;  // until Start
  bool failure_told_ = false;
};

}  // namespace sluice
