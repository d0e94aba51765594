#include "broker_plugin/plugin_instance.h"

#include <exception>
#include <utility>

#include "broker_plugin/chunk_limits.h"
#include "broker_plugin/limits.h"

namespace sluice::plugin {
namespace {

constexpr std::string_view kResponseTopic = "$CONTROL/sluice/v1/response";

}  // namespace

PluginInstance::PluginInstance(Broker& broker, const Clock& clock, InstanceOptions options)
    : broker_(broker),
      clock_(clock),
      options_(std::move(options)),
      config_(ClosedPluginConfig(options_.options)),
      events_(broker, clock, options_.boot),
      lease_(broker, clock, options_.boot),
      guard_(config_, events_, clock.Boot()),
      last_tick_(clock.Boot()) {
  Result<PluginConfig> loaded = LoadPluginConfig(options_.options);
  if (loaded) {
    TakeConfig(std::move(*loaded));
  } else {
    why_not_open_ = loaded.error().Line();
    broker_.Log(LogLevel::kError, why_not_open_ +
                                      "; the plugin denies sluice-dev/ until a SIGHUP finds a good "
                                      "configuration, the rest of the broker goes on");
  }
  wants_acl_ = config_.acl;
  wants_basic_auth_ = config_.basic_auth;
}

PluginInstance::~PluginInstance() = default;

std::string_view PluginInstance::ModeName(Mode mode) noexcept {
  switch (mode) {
    case Mode::kClosed:
      return "closed";
    case Mode::kOpen:
      return "open";
    case Mode::kFault:
      break;
  }
  return "fault";
}

template <class T, class Call>
T PluginInstance::Contain(T otherwise, Call&& call) noexcept {
  if (mode_ == Mode::kFault) return otherwise;
  try {
    return call();
  } catch (const std::exception& bug) {
    Fault(bug.what());
  } catch (...) {
    Fault("something was thrown that is no std::exception");
  }
  return otherwise;
}

void PluginInstance::Fault(std::string_view what) noexcept {
  if (mode_ == Mode::kFault) return;
  mode_ = Mode::kFault;
  // Each by itself: what is broken may be one of these.
  try {
    why_not_open_ = what;
    broker_.Log(LogLevel::kError, "E_INTERNAL: " + why_not_open_ +
                                      "; the plugin switched itself off: it denies sluice-dev/ and "
                                      "serves nothing until the broker is restarted");
  } catch (...) {
  }
  try {
    if (chunks_ != nullptr) chunks_->Pause();
  } catch (...) {
  }
  try {
    events_.Emit(EventType::kFault, "", what);
  } catch (...) {
  }
  try {
    lease_.OnTick(clock_.Boot(), {}, 0, policy_seq_);
  } catch (...) {
  }
}

Verdict PluginInstance::OnAclCheck(const Client& client, const AclRequest& request) noexcept {
  const auto closed = [&] {
    const AclDecision decision = CheckAclClosed(config_.allow_foreign_topics, request);
    if (decision.answer == AclAnswer::kDeny) return Verdict::kDeny;
    return decision.answer == AclAnswer::kAllow ? Verdict::kAllow : Verdict::kDefer;
  };
  if (mode_ != Mode::kOpen) return closed();
  // Most of a broker's traffic is not ours: it costs no look at the clock.
  if (const auto foreign = guard_.OnForeignAclCheck(client, request)) return *foreign;
  const Verdict verdict =
      Contain(Verdict::kDeny, [&] { return guard_.OnAclCheck(client, request, clock_.Boot()); });
  // One check that went wrong must not deny a topic that is not ours.
  return mode_ == Mode::kOpen ? verdict : closed();
}

Verdict PluginInstance::OnForeignAclCheck(const void* client, Access access) noexcept {
  return guard_.OnForeignAclCheck(client, access);
}

Verdict PluginInstance::OnBasicAuth(const Client& client) noexcept {
  if (mode_ != Mode::kOpen) return Verdict::kDefer;
  return Contain(Verdict::kDefer, [&] { return guard_.OnBasicAuth(client, clock_.Boot()); });
}

Verdict PluginInstance::OnMessage(const Client& client, const InboundMessage& message) noexcept {
  if (!IsDevicePlane(message.topic)) {
    OnForeignMessage();
    return Verdict::kRoute;
  }
  if (mode_ != Mode::kOpen) return Verdict::kDrop;
  return Contain(Verdict::kDrop, [&] {
    const BootMs now = clock_.Boot();
    NoteTickSilence();
    const MessageDecision decision = guard_.OnMessage(client, message, now);
    if (chunks_ == nullptr) return decision.verdict;
    if (!decision.fetch) chunks_->OnForeignMessage(now);
    if (!decision.fetch || !TicksCome()) return decision.verdict;
    const bool taken = chunks_->OnFetch(decision.device, *decision.fetch, now);
    return taken ? Verdict::kDrop : decision.verdict;
  });
}

void PluginInstance::OnForeignMessage() noexcept {
  if (chunks_ != nullptr && chunks_->PendingJobs() > 0) chunks_->OnForeignMessage(clock_.Boot());
}

void PluginInstance::NoteTickSilence() {
  if (tick_silence_logged_ || TicksCome()) return;
  tick_silence_logged_ = true;
  broker_.Log(LogLevel::kWarning,
              "the broker gives no turns: nothing is served from here, the engine does it, and "
              "nobody is kicked; per_listener_settings must be false");
}

bool PluginInstance::TicksCome() const {
  return clock_.Boot() - last_tick_ < limits::kTickSilenceMax;
}

void PluginInstance::OnDisconnect(const Client& client) noexcept {
  if (mode_ != Mode::kOpen) return;
  Contain(0, [&] {
    if (const auto device = guard_.OnDisconnect(client)) {
      if (chunks_ != nullptr) chunks_->OnDisconnect(*device);
      events_.Emit(EventType::kDisconnect, *device, "");
    }
    return 0;
  });
}

void PluginInstance::OnControl(const Client& client, ByteView payload) noexcept {
  if (mode_ != Mode::kOpen) return;
  idle_turns_ = 0;  // what it changes is told in the next turn
  Contain(0, [&] {
    const ClientPolicy policy(config_, client);
    // ACL_CHECK has refused everybody else, unless it is switched off. Nobody else could read the
    // answer either.
    if (policy.role() != Role::kEngine && policy.role() != Role::kAdmin) {
      events_.Emit(EventType::kDenied, client.username, "control");
      return 0;
    }
    const std::string reply = RunControl(payload, *this);
    broker_.PublishCopy(kResponseTopic, AsBytes(reply), 1, false);
    return 0;
  });
}

void PluginInstance::OnTick() noexcept {
  guard_.OnTurn();
  // A turn follows nearly every message of anybody: with nothing to do, not even the clock is read
  // in most of them.
  const bool has_work = guard_.HasKicks() || (chunks_ != nullptr && chunks_->PendingJobs() > 0);
  if (mode_ == Mode::kOpen && !has_work && idle_turns_++ % limits::kIdleTurns != 0) return;
  Contain(0, [&] {
    Tick();
    return 0;
  });
  if (mode_ != Mode::kFault) return;
  try {
    lease_.OnTick(clock_.Boot(), {}, 0, policy_seq_);  // goes on saying that nothing is served
  } catch (...) {
  }
}

void PluginInstance::Tick() {
  const BootMs now = clock_.Boot();
  tick_silence_logged_ = false;
  last_tick_ = now;
  // A kick calls OnDisconnect and may ask for another kick: they are taken out first.
  for (const std::string& username : guard_.TakeKicks()) {
    broker_.Log(LogLevel::kWarning,
                "ending the connections of " + username.substr(0, limits::kShownTextMax));
    broker_.Kick(username);
  }
  if (mode_ != Mode::kOpen) return;
  if (chunks_ != nullptr) chunks_->OnTick(now);
  if (!lease_.IsDue(now, chunks_ != nullptr && chunks_->IsServing(), policy_seq_)) return;
  if (chunks_ == nullptr) return lease_.OnTick(now, {}, 0, policy_seq_);
  lease_.OnTick(now, chunks_->Status(), chunks_->PendingJobs(), policy_seq_);
}

void PluginInstance::OnReload() noexcept {
  Contain(0, [&] {
    const Status reloaded = ReloadConfig();
    broker_.Log(reloaded ? LogLevel::kInfo : LogLevel::kError,
                reloaded ? "the configuration was read again"
                         : reloaded.error().Line() + "; the former configuration stays in force");
    return 0;
  });
}

Status PluginInstance::ReloadConfig() {
  SLUICE_ASSIGN(PluginConfig fresh, LoadPluginConfig(options_.options));
  if (mode_ == Mode::kOpen && fresh.server != config_.server) {
    return Fail(ErrorCode::kState,
                "server: its retained lease carries the name; restart the broker to change it");
  }
  TakeConfig(std::move(fresh));
  return {};
}

void PluginInstance::TakeConfig(PluginConfig config) {
  const bool new_serving = !(config.serving == config_.serving);
  config_ = std::move(config);
  guard_.OnConfigChanged();
  if (mode_ == Mode::kClosed) {
    events_.SetServer(config_.server);
    lease_.SetServer(config_.server);
    mode_ = Mode::kOpen;
    why_not_open_.clear();
  }
  if (new_serving) MakeChunks();
}

void PluginInstance::MakeChunks() {
  chunks_.reset();
  if (!config_.serving.on || !options_.make_chunks) return;
  Result<std::unique_ptr<ChunkService>> made =
      options_.make_chunks(config_.serving, broker_, clock_);
  if (made) {
    chunks_ = std::move(*made);
    if (!blocked_.empty()) chunks_->Block(blocked_);
  } else {
    broker_.Log(LogLevel::kError,
                made.error().Line() + "; nothing is served from here, the engine does it");
  }
}

StatusReport PluginInstance::Report() const {
  const GuardCounters& counters = guard_.counters();
  StatusReport report;
  report.texts = {{"server", config_.server},
                  {"boot", options_.boot},
                  {"version", options_.version},
                  {"mode", std::string(ModeName(mode_))}};
  report.numbers = {{"devices", guard_.devices()},
                    {"quarantined", guard_.quarantined()},
                    {"policies", guard_.cached_policies()},
                    {"denied", counters.denied},
                    {"willsRefused", counters.wills_refused},
                    {"malformed", counters.malformed},
                    {"overLimitDropped", counters.over_limit_dropped},
                    {"overLimitRefused", counters.over_limit_refused},
                    {"quarantines", counters.quarantines},
                    {"kicks", counters.kicks},
                    {"events", events_.published()},
                    {"eventsSuppressed", events_.suppressed()},
                    {"policySeq", policy_seq_}};
  const ServingStatus status = chunks_ != nullptr ? chunks_->Status() : ServingStatus{};
  report.numbers.emplace_back("serving", status.serving ? 1 : 0);
  report.numbers.emplace_back("jobs", chunks_ != nullptr ? chunks_->PendingJobs() : 0);
  report.numbers.emplace_back("bytesPerS", status.bytes_per_s);
  report.numbers.emplace_back("bytesServed", status.bytes_served);
  return report;
}

Status PluginInstance::SetQuarantine(std::string_view device, bool on, std::uint32_t seconds) {
  if (!on) {
    if (guard_.LiftQuarantine(device)) return {};
    return Fail(ErrorCode::kNotFound, "this device is not quarantined");
  }
  const std::uint32_t lasting = seconds != 0 ? seconds : config_.rates.quarantine_s;
  if (guard_.Quarantine(device, lasting, "ordered", clock_.Boot())) return {};
  return Fail(ErrorCode::kQueueFull, "too many devices are quarantined already");
}

void PluginInstance::KickDevice(std::string_view device) { guard_.RequestKick(device); }

Status PluginInstance::BlockObjects(const std::set<Digest>& objects,
                                    std::optional<std::uint64_t> seq) {
  if (seq.value_or(policy_seq_) < policy_seq_) {
    return Fail(ErrorCode::kReplay,
                "a newer list stands already, number " + std::to_string(policy_seq_));
  }
  std::set<Digest> blocked = objects;
  if (seq.value_or(policy_seq_) == policy_seq_) blocked.insert(blocked_.begin(), blocked_.end());
  if (blocked.size() > limits::kBlockedObjectsMax) {
    return Fail(ErrorCode::kTooBig, "objects: more than 16384 are blocked");
  }
  blocked_ = std::move(blocked);
  policy_seq_ = seq.value_or(policy_seq_);
  chunks_->Block(blocked_);
  return {};
}

}  // namespace sluice::plugin
