// The agent: one device's update machine with its clock, disk, link and model around it.
//
// Single-threaded and never waiting: the owner hands in what the transport says, calls Poll when
// NextDeadline has come, and may run it on a virtual clock. Device (device.cc) puts a thread and a
// queue around it.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>

#include "device_sdk/agent/agent_options.h"
#include "device_sdk/agent/hello_cycle.h"
#include "device_sdk/agent/installer.h"
#include "device_sdk/agent/model_host.h"
#include "device_sdk/agent/reporter.h"
#include "device_sdk/agent/telemetry_counters.h"
#include "device_sdk/agent/verifier.h"

namespace sluice::device {

/// What the agent works with; all of it must outlive the agent.
struct AgentParts {
  const Clock& clock;
  Random& random;
  SlotStore& store;
  Transport& transport;
  ModelHost& host;
};

/// A copy for people and tests.
struct AgentStatus {
  StateRecord record;
  UpdateState state = UpdateState::kIdle;
  int slot_count = 2;
  Digest loaded;  // zero = nothing serves
  std::string loaded_release;
  LinkUse link;
  bool connected = false;
  bool clock_untrusted = false;
  Error last_error;
};

class Agent {
 public:
  /// Reads the Root and the record, and serves the active slot: no network. E_NOT_FOUND without an
  /// installed Root.
  static Result<std::unique_ptr<Agent>> Open(AgentOptions options, AgentParts parts);

  /// What the transport is to be started with.
  [[nodiscard]] Will LastWill() const;
  [[nodiscard]] std::vector<Subscription> Subscriptions() const;

  void HandleConnected();
  void HandleDisconnected();
  void HandleMessage(const MqttMessage& message);
  void HandlePublished(std::uint64_t publish_id, bool ok);

  /// Does what is due.
  void Poll();
  /// When Poll is to be called next if nothing else happens; {0} = at once.
  [[nodiscard]] BootMs NextDeadline() const;

  /// As the operator at the device: E_NO_FALLBACK, E_STATE while a revert is under way.
  Status Revert(std::string_view reason);
  /// An orderly end: says good-bye and notes on disk that this was no crash.
  void HandleStop();

  [[nodiscard]] AgentStatus Inspect() const;
  [[nodiscard]] UpdateState state() const { return update_.state(); }
  /// For any thread to record into.
  [[nodiscard]] TelemetryCounters& counters() { return counters_; }

 private:
  Agent(AgentOptions options, AgentParts parts, Trust trust);
  void Start();

  // What the engine says (agent_messages.cc).
  void OnDownMessage(const Bytes& payload);
  void OnAllMessage(PayloadType expected, const Bytes& payload);
  void OnRoot(const Bytes& envelope);
  void OnAnswer(const Bytes& envelope);
  void OnFreshness(const Bytes& envelope);
  void OnEngineBack();
  void OnOrder(const Bytes& envelope);
  [[nodiscard]] bool IsBehind() const;
  void Refused(std::string_view what, const Error& why);

  // What the device says (agent_messages.cc).
  void PublishHello();
  void PublishTelemetry(bool ask_runner);
  [[nodiscard]] std::vector<SlotSummary> SlotSummaries() const;
  [[nodiscard]] bool WantsPermit() const;
  [[nodiscard]] bool IsWindowOpen() const;
  [[nodiscard]] std::int64_t TelemetryIntervalMs() const;

  // The machine and its effects (agent_effects.cc).
  Status Feed(Event event);
  Status StepOnce(const Event& event);
  void Do(const Persist& effect);
  Status Write(const Persist& persist);
  void AfterStep(UpdateState before);
  void Do(const CheckDirective& effect);
  void Do(const SayHello& effect);
  void Do(const FetchManifest& effect);
  void Do(const FetchPayload& effect);
  void Do(const StopWork& effect);
  void Do(const Redeliver& effect);
  void Do(const FinishAndVerifySlot& effect);
  void Do(const RunValidation& effect);
  void Do(const SendReport& effect);
  void Do(const ArmTimer& effect);
  void Do(const ActivateModel& effect);
  void Do(const WatchTrial& effect);
  void Do(const StampConfirmed& effect);

  struct LoadableSlot {
    VerifiedModel model;
    ReleaseManifest manifest;
  };
  [[nodiscard]] Result<LoadableSlot> OpenVerified(SlotId slot, sdk::Purpose purpose) const;
  void BeginBudget();
  void CountBytes();

  // What time brings.
  void PollHello();
  void PollInstaller();
  void PollValidation();
  void PollActivation();
  void PollTrial();
  void PollTelemetry();
  void PollTimers();
  void OnOutcome(ManifestFetched fetched);
  void OnOutcome(const PayloadWritten& written);
  void OnOutcome(const PayloadFailed& failed);
  void OnOutcome(const DownloadStopped& stopped);
  /// True while work waits for an Answer because the newest is a day old.
  [[nodiscard]] bool NeedsAnswer() const;
  [[nodiscard]] bool MayFetch() const;
  /// True while a manifest is here and not the time to judge it by: no Answer of this boot yet.
  [[nodiscard]] bool WaitsForTime() const;
  [[nodiscard]] CounterSnapshot Counts();
  [[nodiscard]] std::int64_t NowMs() const;
  [[nodiscard]] BootMs Boot() const { return parts_.clock.Boot(); }
  void Log(const std::string& line) const;

  const AgentOptions options_;
  const AgentParts parts_;
  const std::string directive_topic_, chunk_topic_, hello_topic_, telemetry_topic_, presence_topic_;
  Verifier verifier_;
  SecureTime time_;
  Update update_;
  HelloCycle hello_;
  Reporter reporter_;
  Fetcher fetcher_;
  Installer installer_;
  TelemetryCounters counters_;

  std::deque<Event> events_;
  bool feeding_ = false;
  std::array<std::optional<BootMs>, kTimerCount> timers_{};

  Nonce nonce_{};
  Answer newest_answer_;
  HeldVersions
      named_;  // by the newest Answer or Freshness; while it names more than is held, all is hold
  std::optional<BootMs> permit_until_;
  Nonce permit_spent_{};  // of the hello whose permit was used: one use each
  std::uint64_t activating_publish_ = 0;

  Digest loaded_;
  std::string loaded_release_;
  std::uint32_t counted_activation_ = 0;
  Digest counted_release_;
  LinkUse work_mark_;  // the link's count when the work in hand began
  std::uint64_t work_bytes_up_ = 0;
  std::optional<BootMs> progress_due_;
  std::uint16_t crashes_ = 0;
  std::int8_t val_drop_q_ = Telemetry::kValDropNotRun;
  std::uint16_t telemetry_flags_ = 0;
  std::uint32_t telemetry_seq_ = 0;
  std::uint32_t sketch_seq_ = 0;
  BootMs started_{};
  std::optional<BootMs> telemetry_due_;
  std::optional<BootMs> sketch_due_;

  std::optional<TrialHealth> trial_;
  std::int64_t trial_step_ms_ = 0;
  std::optional<BootMs> trial_due_;

  Error last_error_;
};

}  // namespace sluice::device
