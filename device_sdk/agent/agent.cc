#include "device_sdk/agent/agent.h"

#include <algorithm>
#include <ctime>

#include "common/contract/topics.h"
#include "common/crypto/digest.h"

namespace sluice::device {
namespace {

constexpr std::int64_t kProgressIntervalMs = 300 * limits::kSecond;
constexpr std::int64_t kValidationPollMs = 20;
constexpr std::int64_t kWindowPollMs = limits::kMinute;
constexpr std::uint32_t kTelemetryDefaultS = 300;

std::string UpTopicOf(const AgentOptions& options, UpKind kind) {
  return BuildTopic(UpTopic{PartitionOf(options.device_id), options.device_id, kind});
}

BootMs Soonest(BootMs a, const std::optional<BootMs>& b) { return b ? std::min(a, *b) : a; }

}  // namespace

Result<std::unique_ptr<Agent>> Agent::Open(AgentOptions options, AgentParts parts) {
  SLUICE_TRY(CheckIdentity("device", options.device_id));
  Result<Bytes> root = parts.store.ReadDocument("root");
  if (!root) return Fail(root.error().With("no installed Root; run 'sluice-agent init'"));
  SLUICE_ASSIGN(Trust trust, Trust::FromInstalledRoot(*root));
  if (trust.root().fleet_id != options.fleet_id) {
    return Fail(ErrorCode::kWrongFleet, "the installed Root is of fleet " + trust.root().fleet_id +
                                            ", not " + options.fleet_id);
  }
  std::unique_ptr<Agent> agent(new Agent(std::move(options), parts, std::move(trust)));
  agent->Start();
  return agent;
}

Agent::Agent(AgentOptions options, AgentParts parts, Trust trust)
    : options_(std::move(options)),
      parts_(parts),
      directive_topic_(BuildTopic(DownTopic{options_.device_id, DownKind::kDirective})),
      chunk_topic_(BuildTopic(DownTopic{options_.device_id, DownKind::kChunk})),
      hello_topic_(UpTopicOf(options_, UpKind::kHello)),
      telemetry_topic_(UpTopicOf(options_, UpKind::kTelemetry)),
      presence_topic_(UpTopicOf(options_, UpKind::kPresence)),
      verifier_(std::move(trust), options_),
      time_(std::max(parts.store.record().secure_time_floor_ms, verifier_.root().created_ms)),
      reporter_(parts.store, parts.transport, UpTopicOf(options_, UpKind::kReport)),
      fetcher_(options_, parts.transport, parts.random, UpTopicOf(options_, UpKind::kFetch)),
      installer_(parts.store, fetcher_),
      started_(parts.clock.Boot()) {
  update_.record = parts.store.record();
  update_.slot_count = parts.store.slot_count();
  update_.hardware = options_.hardware;
}

void Agent::Start() {
  const StateRecord& record = update_.record;
  const Result<Bytes> stopped = parts_.store.ReadDocument("stopped");
  const bool orderly = stopped && stopped->size() == sizeof(record.boot) &&
                       LoadLe<std::uint32_t>(stopped->data()) == record.boot;
  if (record.boot > 0 && !orderly) crashes_ = 1;

  Restarted event;
  if (const auto envelope = parts_.store.ReadDirective(record.directive_digest)) {
    if (auto directive = verifier_.Reopen<Directive>(*envelope))
      event.directive = *std::move(directive);
  }
  if (const auto envelope = parts_.store.ReadDocument("order");
      envelope && Sha256(*envelope) == record.order_digest) {
    if (auto order = verifier_.Reopen<Order>(*envelope)) event.order = *std::move(order);
  }
  const bool on_trial = record.phase == Phase::kTrial && record.active;
  if (on_trial) {
    const Result<Bytes> envelope = parts_.store.ReadManifest(*record.active);
    auto manifest = envelope ? ManifestOfSlot(*envelope, record.slots[*record.active])
                             : Result<ReleaseManifest>(Fail(envelope.error()));
    if (manifest) event.manifest = *std::move(manifest);
  } else if (const auto envelope = parts_.store.ReadDocument("manifest");
             envelope && event.directive && Sha256(*envelope) == event.directive->manifest) {
    if (auto manifest = verifier_.Reopen<ReleaseManifest>(*envelope))
      event.manifest = *std::move(manifest);
  }
  static_cast<void>(Feed(std::move(event)));
}

Will Agent::LastWill() const {
  const ByteView offline = AsBytes("offline");
  return {presence_topic_, Bytes(offline.begin(), offline.end()), Qos::k1, true};
}

std::vector<Subscription> Agent::Subscriptions() const {
  return {{directive_topic_, Qos::k1},
          {chunk_topic_, Qos::k0},
          {BuildTopic(AllKind::kRoot), Qos::k1},
          {BuildTopic(AllKind::kFreshness), Qos::k1},
          {BuildTopic(AllKind::kOrder), Qos::k1}};
}

void Agent::HandleConnected() {
  const BootMs now = Boot();
  Log("connected");
  static_cast<void>(parts_.transport.Publish(presence_topic_, AsBytes("online"), Qos::k1, true));
  hello_.OnConnected(now);
  reporter_.OnConnected();
  fetcher_.OnConnected(now);
  telemetry_due_ = now;  // the latest, once, for all that could not be sent
  Poll();
}

void Agent::HandleDisconnected() {
  if (hello_.connected()) Log("disconnected");
  hello_.OnDisconnected();
  reporter_.OnDisconnected();
  fetcher_.OnDisconnected(Boot());
  permit_until_.reset();
  activating_publish_ = 0;
}

void Agent::HandlePublished(std::uint64_t publish_id, bool ok) {
  if (publish_id == 0 || publish_id != activating_publish_) return;
  activating_publish_ = 0;
  if (ok) static_cast<void>(Feed(ActivatingAcknowledged{}));
}

Status Agent::Revert(std::string_view reason) { return Feed(RevertOrdered{std::string(reason)}); }

void Agent::HandleStop() {
  if (hello_.connected()) {
    static_cast<void>(parts_.transport.Publish(presence_topic_, AsBytes("offline"), Qos::k1, true));
  }
  installer_.Stop();
  parts_.host.CancelValidation();
  Bytes boot;
  AppendLe(boot, update_.record.boot);
  // Without the note the next start counts a crash that was none: telemetry, no more.
  static_cast<void>(parts_.store.WriteDocument("stopped", boot));
}

void Agent::Poll() {
  PollTimers();
  PollHello();
  PollInstaller();
  PollValidation();
  PollActivation();
  PollTrial();
  PollTelemetry();
  reporter_.Poll(Boot());
}

BootMs Agent::NextDeadline() const {
  const BootMs now = Boot();
  if (installer_.HasWorkNow() && !WaitsForTime()) return {0};
  BootMs next = now + limits::kHour;
  next = Soonest(next, hello_.NextDeadline());
  next = Soonest(next, reporter_.NextDeadline());
  next = Soonest(next, MayFetch() ? fetcher_.NextDeadline() : std::nullopt);
  next = Soonest(next, trial_due_);
  next = Soonest(next, hello_.connected() ? telemetry_due_ : std::nullopt);
  for (const auto& timer : timers_) next = Soonest(next, timer);
  if (parts_.host.IsValidating()) next = std::min(next, now + kValidationPollMs);
  const bool waits_for_window = update_.state() == UpdateState::kReady && !IsWindowOpen();
  return waits_for_window ? std::min(next, now + kWindowPollMs) : next;
}

void Agent::PollTimers() {
  for (std::size_t i = 0; i < timers_.size(); ++i) {
    if (!timers_[i] || Boot() < *timers_[i]) continue;
    timers_[i].reset();
    static_cast<void>(Feed(TimerFired{static_cast<Timer>(i)}));
  }
}

void Agent::PollHello() {
  const BootMs now = Boot();
  switch (hello_.Poll(now, parts_.random)) {
    case HelloCycle::Action::kNone:
      return;
    case HelloCycle::Action::kReconnect:
      Log("no answer to three hellos: making a new connection");
      parts_.transport.Reconnect();
      return;
    case HelloCycle::Action::kSayHello:
      PublishHello();
      reporter_.OnHelloSaid(now);
      return;
  }
}

bool Agent::NeedsAnswer() const {
  const auto& install = update_.plan.install;
  return install && install->mode == ActivationMode::kAsk && hello_.connected() &&
         !hello_.HasFreshAnswer(Boot());
}

bool Agent::MayFetch() const {
  const auto& install = update_.plan.install;
  if (!install || !hello_.connected() || NeedsAnswer()) return false;
  if (install->mode == ActivationMode::kAsk) return true;
  return NowMs() - time_.floor_ms() < limits::kInstallStaleMax;
}

bool Agent::WaitsForTime() const {
  const auto& install = update_.plan.install;
  return update_.state() == UpdateState::kChecking && install &&
         install->mode == ActivationMode::kAsk && !time_.IsLive();
}

void Agent::PollInstaller() {
  const BootMs now = Boot();
  if (NeedsAnswer()) hello_.WantOnce(now);
  if (MayFetch()) {
    if (const Status asked = fetcher_.Poll(now); !asked) installer_.OnFetchFailed(asked.error());
  }
  installer_.Poll(now);
  if (fetcher_.TakeWantsHello()) hello_.Want(now);
  if (WaitsForTime()) return;
  if (auto outcome = installer_.TakeOutcome()) {
    std::visit([this](auto& of) { OnOutcome(std::move(of)); }, *outcome);
  } else if (MayFetch()) {
    // The block just taken made room in the window.
    if (const Status asked = fetcher_.Poll(now); !asked) installer_.OnFetchFailed(asked.error());
  }
  if (progress_due_ && now >= *progress_due_ && update_.state() == UpdateState::kDownloading) {
    progress_due_ = now + kProgressIntervalMs;
    const Directive& directive = *update_.plan.install;
    Do(SendReport{ReportState::kDownloading,
                  {},
                  {},
                  directive.number,
                  directive.rollout,
                  directive.stage,
                  directive.manifest,
                  {}});
  }
}

void Agent::PollValidation() {
  if (update_.state() != UpdateState::kValidating) return;
  std::optional<ValidationReply> reply = parts_.host.PollValidation();
  if (!reply) return;
  if (!reply->candidate) {
    telemetry_flags_ |= Telemetry::kValidationFailed;
    static_cast<void>(Feed(Validated{{}, reply->candidate.error()}));
    return;
  }
  ValidationVerdict verdict =
      JudgeValidation(*update_.plan.manifest, reply->base, *reply->candidate);
  if (verdict.failure) telemetry_flags_ |= Telemetry::kValidationFailed;
  static_cast<void>(Feed(Validated{verdict.numbers, std::move(verdict.failure)}));
}

bool Agent::IsWindowOpen() const {
  if (!update_.plan.install) return false;
  const ActivationWindow& window = update_.plan.install->window;
  if (window.open_minute == window.close_minute) return true;
  const std::time_t now_s = static_cast<std::time_t>(NowMs() / limits::kSecond);
  std::tm local{};
  localtime_r(&now_s, &local);
  const int minute = local.tm_hour * 60 + local.tm_min;
  const bool after_open = minute >= window.open_minute;
  const bool before_close = minute < window.close_minute;
  // A window over midnight opens later than it closes.
  return window.open_minute < window.close_minute ? after_open && before_close
                                                  : after_open || before_close;
}

bool Agent::WantsPermit() const {
  const Plan& plan = update_.plan;
  return update_.state() == UpdateState::kReady && !IsHeld(update_) && !IsBehind() &&
         !plan.activation_announced && plan.install->mode == ActivationMode::kAsk && IsWindowOpen();
}

void Agent::PollActivation() {
  if (update_.state() != UpdateState::kReady) {
    permit_until_.reset();
    return;
  }
  const Plan& plan = update_.plan;
  if (IsHeld(update_) || IsBehind() || plan.activation_announced || !IsWindowOpen()) return;
  const BootMs now = Boot();
  if (plan.install->mode == ActivationMode::kFree) {
    if (hello_.connected()) static_cast<void>(Feed(ActivationAllowed{}));
    return;
  }
  if (permit_until_ && now < *permit_until_) {
    permit_until_.reset();
    permit_spent_ = nonce_;
    static_cast<void>(Feed(ActivationAllowed{}));
    return;
  }
  // However a permit was lost (spent without the broker's word, a hold in between, never given), it
  // is asked for until it comes.
  hello_.WantOnce(now);
}

CounterSnapshot Agent::Counts() {
  const std::optional<sdk::RunnerCounters> own = parts_.host.Counters();
  if (!own) return counters_.Read();
  return {.inferences = own->inferences,
          .errors = own->errors,
          .over_latency = own->over_latency,
          .labelled = own->labelled,
          .correct_q8 = static_cast<std::uint32_t>(own->score_sum * 256)};
}

void Agent::PollTrial() {
  if (!trial_ || Boot() < *trial_due_) return;
  trial_due_ = Boot() + trial_step_ms_;
  const Status probe = parts_.host.Health();
  const CounterSnapshot counts = Counts();
  const TrialHealth::Judgement judgement =
      trial_->Check(Boot().ms, {counts.inferences, counts.errors, counts.over_latency}, probe);
  if (judgement.bad) {
    static_cast<void>(Feed(HealthBad{*judgement.bad}));
  } else if (judgement.over) {
    static_cast<void>(Feed(TrialOver{judgement.evidence}));
  } else if (judgement.checkpoint) {
    static_cast<void>(Feed(TrialCheckpoint{judgement.budget_left_ms, judgement.start_proven}));
  }
}

std::int64_t Agent::TelemetryIntervalMs() const {
  const auto& directive = update_.plan.directive;
  std::uint32_t interval_s = newest_answer_.telemetry_interval_s;
  // The terms of a revert are about nothing that serves.
  const bool sets_terms = directive && directive->action != DirectiveAction::kRevert;
  if (sets_terms && NowMs() < directive->expires_ms) interval_s = directive->telemetry_interval_s;
  if (interval_s == 0) interval_s = kTelemetryDefaultS;
  return static_cast<std::int64_t>(interval_s) * limits::kSecond;
}

void Agent::PollTelemetry() {
  const BootMs now = Boot();
  if (!telemetry_due_ || !hello_.connected()) return;
  const std::int64_t interval_ms = TelemetryIntervalMs();
  telemetry_due_ = std::min(*telemetry_due_, now + interval_ms);
  if (now < *telemetry_due_) return;
  telemetry_due_ = now + interval_ms;
  PublishTelemetry(true);
}

bool Agent::IsBehind() const {
  return named_.root_version > verifier_.root().version || named_.order > update_.record.order;
}

std::int64_t Agent::NowMs() const { return time_.NowMs(parts_.clock.Wall(), Boot()); }

AgentStatus Agent::Inspect() const {
  return {.record = update_.record,
          .state = update_.state(),
          .slot_count = update_.slot_count,
          .loaded = loaded_,
          .loaded_release = loaded_release_,
          .link = parts_.transport.Used(),
          .connected = hello_.connected(),
          .clock_untrusted = time_.IsUntrusted(parts_.clock.Wall()),
          .last_error = last_error_};
}

void Agent::Log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

}  // namespace sluice::device
