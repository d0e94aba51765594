// The engine: one object, one thread, driven by messages, operations and time.
//
// What one turn hears and decides goes into one synced batch before anything is published; then the
// messages go out. A crash at any moment loses nothing that was promised: rollouts are rebuilt from
// their events, what stands keeps its number and its bytes. The same object runs in the daemon and,
// on a virtual clock, in the simulator.
//
//   engine.HandleMessage(...); engine.Execute(...);   any number of these
//   engine.Tick();                                    ends the turn: timers, commit, publish
//   wait until NextDeadline() or the next input
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rollout_engine/engine/block_policy.h"
#include "rollout_engine/engine/operations.h"
#include "rollout_engine/engine/outbox.h"
#include "rollout_engine/engine/payload_forecast.h"
#include "rollout_engine/engine/rollout_plan.h"
#include "rollout_engine/engine/rollout_runner.h"
#include "rollout_engine/engine/rule_runner.h"
#include "rollout_engine/engine/server_leases.h"
#include "rollout_engine/engine/views.h"

namespace sluice {

struct DeviceMessage;
struct Refusal;

struct EngineOptions {
  std::string id = "engine";  // a topic level: names its topics
  std::string version = "dev";
  std::uint32_t telemetry_interval_s = 300;  // of devices that no rollout has
  /// The rule file as it is now; asked at Open and at each reload_rules. Null = there are no rules.
  std::function<Result<std::string>()> read_rules{};
  RuleRunner::Tell tell_rule_news{};
};

/// All of it outlives the engine.
struct EnginePorts {
  const Clock& clock;
  Store& store;
  const ObjectStore& objects;
  Transport& transport;
  PayloadBuilder& payloads;
};

/// For people and metrics; of this run of the engine.
struct EngineCounters {
  std::uint64_t hellos = 0;
  std::uint64_t reports = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t telemetry = 0;
  std::uint64_t telemetry_rejected = 0;
  std::uint64_t refused_messages = 0;
  std::uint64_t turns_committed = 0;
};

class Engine {
 public:
  /// Loads everything and takes a new epoch, durably. `key` outlives the engine. E_SIG_ROLE,
  /// E_STORE_CORRUPT, ...; a bad rule file as ParseRuleFile says.
  static Result<std::unique_ptr<Engine>> Open(EngineOptions options, EnginePorts ports,
                                              const SigningKey& key,
                                              const std::vector<Bytes>& roots);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// For Transport::Start.
  [[nodiscard]] Will MakeWill() const;
  [[nodiscard]] std::vector<Subscription> Subscriptions() const;

  void HandleConnected();
  void HandleDisconnected();
  void HandleMessage(const MqttMessage& message);
  /// The outcome counts once the next Tick has succeeded.
  Outcome Execute(const Operation& operation);
  /// Durable when it returns: the registry writes for itself.
  Result<Published> PublishRelease(const Publication& publication);
  /// What Execute would do with such a `create`, without doing it.
  Result<RolloutPlan> PlanRollout(const std::string& file);

  /// Of a release that is published: E_NO_SUCH_VERSION, and E_STATE as for any operation when this
  /// engine is not in charge. Asks for payloads that are not built.
  Result<std::vector<ForecastRow>> ForecastRelease(const std::string& release);

  /// Ends the turn. On an error nothing of it counts, and the engine does nothing more until it is
  /// opened again.
  Status Tick();
  /// When Tick should be called if nothing arrives; nothing = only then.
  [[nodiscard]] std::optional<BootMs> NextDeadline() const;
  /// Engine time at a moment of the boot clock, for waiting.
  [[nodiscard]] BootMs Now() const;

  // ---- reading, between turns ----
  [[nodiscard]] const RolloutLog& rollouts() const { return log_; }
  [[nodiscard]] const DeviceDirectory& devices() const { return devices_; }
  [[nodiscard]] const TelemetryBook& telemetry() const { return telemetry_; }
  [[nodiscard]] const RolloutRunner& runner() const { return runner_; }
  [[nodiscard]] const Director& director() const { return director_; }
  [[nodiscard]] const Registry& registry() const { return registry_; }
  [[nodiscard]] const RuleRunner& rules() const { return rules_; }
  [[nodiscard]] const Store& store() const { return ports_.store; }
  [[nodiscard]] Offers& offers() { return offers_; }
  [[nodiscard]] const EngineCounters& counters() const { return counters_; }
  [[nodiscard]] EngineFacts Facts() const;
  [[nodiscard]] WallMs Wall() const { return ports_.clock.Wall(); }

 private:
  Engine(EngineOptions options, EnginePorts ports, Director director);
  Status Load();
  /// On an error the rules stay as they were.
  Status ReadRules();

  Turn& CurrentTurn();
  Status Commit();
  void AnswerDue(Turn& turn);
  void PublishFreshness(Turn& turn);
  /// What the engine says about itself, and nothing else.
  std::vector<OutgoingMessage> OwnState();
  void SayReadonly();
  void StepDown();
  /// E_STORE_READONLY, E_STALE_ENGINE.
  [[nodiscard]] Status CheckInCharge() const;
  void WorkOnDirectives(Turn& turn);
  void UpdateViews(Turn& turn);
  /// Tells the servers inside brokers what nobody may fetch: when that changed, and those who have
  /// not taken it.
  void InformServers(Turn& turn);

  void TakeFreshness(const MqttMessage& message);
  void TakeServerLease(const MqttMessage& message);
  void Refuse(const Refusal& refusal);
  void Take(Device& device, Hello hello, const Bytes& bytes);
  void Take(Device& device, Report report, const Bytes& bytes);
  void RejectTelemetry(Device& device, const Error& why);
  void TakeTelemetry(Device& device, const Telemetry& telemetry);
  /// False when the device must be left alone: it clashes, or knows numbers that this engine never
  /// used.
  bool CheckHello(Device& device, Heard heard);
  void Quarantine(Device& device, ErrorCode code, const std::string& why);

  Result<Outcome> Run(const Operation& operation);
  Result<Outcome> RunOnRollout(const Operation& operation);
  Result<Outcome> RunCreate(const Operation& operation);
  Result<Outcome> RunOnDevice(const Operation& operation);
  Result<Outcome> RunOnEngine(const Operation& operation);
  Result<Outcome> ReloadRules();
  [[nodiscard]] Result<EventBody> EventOf(const Operation& operation, const RolloutEntry& entry);

  const EngineOptions options_;
  const EnginePorts ports_;
  Director director_;
  Registry registry_;
  RolloutLog log_;
  DeviceDirectory devices_;
  TelemetryBook telemetry_;
  Offers offers_;
  Dispatch dispatch_;
  Conversation conversation_;
  ChunkServer chunks_;
  ServerLeases servers_;
  ServerLeases::Shown servers_shown_;
  BlockPolicy block_policy_;
  RolloutRunner runner_;
  RuleRunner rules_;
  OperationBook operations_;
  Views views_;
  Outbox outbox_;

  std::optional<Turn> turn_;
  std::int64_t time_offset_ms_ = 0;  // engine time - boot clock
  bool connected_ = false;
  bool resubscribe_ = false;  // the rules listen to other topics than the transport knows
  bool superseded_ = false;   // another engine with a higher epoch speaks for this fleet
  Status failure_;            // of the store; the engine stands still
  BootMs freshness_due_;
  BootMs silent_until_{INT64_MIN / 2};  // while the clock cannot be right
  BootMs telemetry_saved_;
  EngineCounters counters_;
};

}  // namespace sluice
