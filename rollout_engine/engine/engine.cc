#include "rollout_engine/engine/engine.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "common/contract/topics.h"
#include "rollout_engine/engine/intake.h"
#include "rollout_engine/engine/keys.h"
#include "rollout_engine/engine/view_json.h"
#include "rollout_engine/rules/rule_file.h"

namespace sluice {
namespace {

std::string OnlineTopic(const std::string& id) { return "sluice/v1/engine/" + id + "/online"; }

Bytes TextBytes(std::string_view text) {
  const ByteView bytes = AsBytes(text);
  return {bytes.begin(), bytes.end()};
}

Result<std::int64_t> StoredEngineTime(const Store& store) {
  SLUICE_ASSIGN(const std::optional<Bytes> stored, store.Get(store_key::kEngineTime));
  if (!stored) return 0;
  const std::string_view text = AsText(*stored);
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return StoredJsonError(store_key::kEngineTime, "holds no number");
  }
  return ms;
}

}  // namespace

Engine::Engine(EngineOptions options, EnginePorts ports, Director director)
    : options_(std::move(options)),
      ports_(ports),
      director_(std::move(director)),
      registry_(ports.store, ports.objects),
      offers_(registry_, ports.payloads),
      dispatch_(director_, devices_, offers_),
      conversation_(director_),
      chunks_(ports.objects),
      runner_({log_, devices_, telemetry_, offers_, dispatch_, conversation_, director_, chunks_}),
      rules_(
          log_, [this](const Operation& operation) { return Execute(operation); },
          options_.tell_rule_news) {}

Result<std::unique_ptr<Engine>> Engine::Open(EngineOptions options, EnginePorts ports,
                                             const SigningKey& key,
                                             const std::vector<Bytes>& roots) {
  SLUICE_TRY(CheckIdentity("engine id", options.id));
  SLUICE_ASSIGN(Director director, Director::Open(key, roots));
  std::unique_ptr<Engine> engine(new Engine(std::move(options), ports, std::move(director)));
  if (engine->options_.read_rules) {
    if (const Status read = engine->ReadRules(); !read) return Fail(read.error().With("rules"));
  }
  SLUICE_TRY(engine->Load());
  return engine;
}

Status Engine::Load() {
  const Store& store = ports_.store;
  SLUICE_TRY(log_.Load(store));
  SLUICE_TRY(devices_.Load(store));
  SLUICE_TRY(telemetry_.Load(store));
  SLUICE_TRY(offers_.Load(store));
  SLUICE_TRY(operations_.Load(store));
  // Time stands still while the engine is down: nobody was silent, and no soak went on unwatched.
  SLUICE_ASSIGN(const std::int64_t stored_ms, StoredEngineTime(store));
  const std::int64_t time_ms = std::max(stored_ms, log_.newest_event().ms);
  time_offset_ms_ = time_ms - ports_.clock.Boot().ms;

  Turn& turn = CurrentTurn();
  turn.must_sync = true;
  SLUICE_TRY(director_.Load(store, turn.wall, turn.batch));
  block_policy_.Begin(director_.epoch());
  SLUICE_TRY(runner_.Resume(store, turn));
  for (const auto& [id, device] : devices_.all()) telemetry_.Know(id, turn.now);
  telemetry_saved_ = turn.now;
  return Commit();
}

Will Engine::MakeWill() const {
  return {.topic = OnlineTopic(options_.id),
          .payload = TextBytes("offline"),
          .qos = Qos::k1,
          .retain = true};
}

std::vector<Subscription> Engine::Subscriptions() const {
  std::vector<Subscription> subscriptions = EngineSubscriptions();
  std::ranges::move(rules_.Subscriptions(), std::back_inserter(subscriptions));
  return subscriptions;
}

Status Engine::ReadRules() {
  SLUICE_ASSIGN(const std::string file, options_.read_rules());
  SLUICE_ASSIGN(RuleSet set, ParseRuleFile(file));
  rules_.Replace(std::move(set));
  resubscribe_ = true;
  return {};
}

BootMs Engine::Now() const { return ports_.clock.Boot() + time_offset_ms_; }

Turn& Engine::CurrentTurn() {
  if (!turn_) turn_.emplace(Turn{.now = Now(), .wall = ports_.clock.Wall()});
  return *turn_;
}

EngineFacts Engine::Facts() const {
  return {.id = options_.id,
          .version = options_.version,
          .epoch = director_.epoch(),
          .leader = !superseded_,
          .broker_connected = connected_,
          .servers = servers_.Summary(),
          .store_ok = failure_.has_value()};
}

// ---- the connection ----

void Engine::HandleConnected() {
  connected_ = true;
  if (superseded_) return;
  Turn& turn = CurrentTurn();
  turn.PublishText(OnlineTopic(options_.id), "online", true);
  turn.Publish(BuildTopic(AllKind::kRoot), director_.newest_root(), Qos::k1, true);
  PublishFreshness(turn);
  if (!director_.order_envelope().empty()) {
    turn.Publish(BuildTopic(AllKind::kOrder), director_.order_envelope(), Qos::k1, true);
  }
  // Sent while there was no connection, or to a broker that did not get it any more.
  dispatch_.ResumeSending(turn.now);
  servers_.ForgetSent();
  views_.PublishAllAgain();
}

void Engine::HandleDisconnected() { connected_ = false; }

void Engine::PublishFreshness(Turn& turn) {
  freshness_due_ = turn.now + limits::kFreshnessInterval;
  const auto now_ms = director_.SigningTime(turn.wall);
  if (!now_ms) return;
  // A quiet fleet brings nothing else to the store, and what was signed must not be signed back.
  director_.RememberTime(turn.wall, turn.batch);
  turn.Publish(BuildTopic(AllKind::kFreshness), director_.NextFreshness(*now_ms), Qos::k1, true);
}

// ---- the turn ----

Status Engine::Tick() {
  SLUICE_TRY(failure_);
  Turn& turn = CurrentTurn();
  if (!superseded_) {
    rules_.FireDue(turn);
    runner_.FireTimers(turn);
    WorkOnDirectives(turn);
    while (offers_.Collect(turn)) {
      dispatch_.PayloadsChanged();
      WorkOnDirectives(turn);
    }
    AnswerDue(turn);
    InformServers(turn);
    if (connected_ && turn.now >= freshness_due_) PublishFreshness(turn);
    UpdateViews(turn);
  }
  if (telemetry_.has_changes() && turn.now - telemetry_saved_ >= limits::kTelemetrySaveInterval) {
    telemetry_.Save(turn);
    telemetry_saved_ = turn.now;
  }
  return Commit();
}

Status Engine::Commit() {
  Turn turn = std::move(*turn_);
  turn_.reset();
  if (!turn.batch.empty()) {
    director_.RememberTime(turn.wall, turn.batch);
    turn.batch.Put(std::string(store_key::kEngineTime), std::to_string(turn.now.ms));
    if (Status written = ports_.store.Write(turn.batch, turn.must_sync); !written) {
      failure_ = Fail(ErrorCode::kStoreReadonly,
                      "the engine decides nothing more; repair the disk and start it again (" +
                          written.error().Line() + ")");
      SayReadonly();
      return written;
    }
    ++counters_.turns_committed;
  }
  // Refused only before Start, which is given the filters itself.
  if (std::exchange(resubscribe_, false))
    static_cast<void>(ports_.transport.SetSubscriptions(Subscriptions()));
  for (OutgoingMessage& message : turn.messages) {
    if (!superseded_ && connected_) outbox_.Add(std::move(message));
  }
  outbox_.Flush(ports_.transport, turn.now);
  if (!superseded_ && outbox_.size() == 0) chunks_.Serve(ports_.transport, turn.now);
  return {};
}

std::vector<OutgoingMessage> Engine::OwnState() {
  Turn turn{.now = Now(), .wall = ports_.clock.Wall()};
  const ViewSources sources{log_, devices_, telemetry_, runner_, offers_, turn.now, turn.wall};
  views_.PublishEngine(sources, Facts(), turn);
  return std::move(turn.messages);
}

/// The one word that needs no disk: that nothing more is decided. Of the turn nobody hears.
void Engine::SayReadonly() {
  for (const OutgoingMessage& message : OwnState()) {
    static_cast<void>(
        ports_.transport.Publish(message.topic, message.payload, message.qos, message.retain));
  }
}

/// Another engine speaks for the fleet. This one's last word is that it leads no more, said once:
/// if the two have one name, the other's next word stands.
void Engine::StepDown() {
  superseded_ = true;
  outbox_.Clear();
  for (OutgoingMessage& message : OwnState()) outbox_.Add(std::move(message));
}

Status Engine::CheckInCharge() const {
  SLUICE_TRY(failure_);
  if (!superseded_) return {};
  return Fail(
      ErrorCode::kStaleEngine,
      "another engine with a higher epoch runs this fleet; ask that one, and stop this one");
}

void Engine::WorkOnDirectives(Turn& turn) {
  for (const Undeliverable& undeliverable : dispatch_.Work(turn))
    runner_.NoteUndeliverable(undeliverable, turn);
}

void Engine::AnswerDue(Turn& turn) {
  const auto now_ms = director_.SigningTime(turn.wall);
  if (!now_ms) {
    silent_until_ = turn.now + limits::kClockRetry;
    return;
  }
  for (const std::string& id : conversation_.TakeDue(turn.now)) {
    const Device* device = devices_.Find(id);
    if (device == nullptr || !device->hello || device->behind) continue;
    const std::uint32_t interval_s = runner_.TelemetryIntervalS(id, options_.telemetry_interval_s);
    conversation_.Answer(*device, interval_s, *now_ms, dispatch_.retain(), turn);
  }
}

void Engine::InformServers(Turn& turn) {
  servers_.Lapse(turn.now);
  const bool changed = block_policy_.Update(chunks_.blocked());
  // A broker without the plugin need not know the topic, and one that comes later asks by its
  // lease.
  if (connected_ && servers_.AnyLive() &&
      (changed || servers_.PolicyDue(block_policy_.seq(), turn.now))) {
    for (const std::string& command : block_policy_.Commands())
      turn.PublishText(std::string(kServerControlTopic), command, false);
    servers_.NotePolicySent(turn.now);
  }
  ServerLeases::Shown now_so = servers_.Summary();
  if (now_so == servers_shown_) return;
  servers_shown_ = std::move(now_so);
  views_.NoteOwnChange();
}

void Engine::UpdateViews(Turn& turn) {
  views_.NoteChanges(devices_.TakeChanged(), runner_.TakeChanged());
  const ViewSources sources{log_, devices_, telemetry_, runner_, offers_, turn.now, turn.wall};
  views_.Publish(sources, Facts(), turn);
}

std::optional<BootMs> Engine::NextDeadline() const {
  if (!failure_) return std::nullopt;
  std::optional<BootMs> next = outbox_.NextDeadline();
  const auto consider = [&next](std::optional<BootMs> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  if (outbox_.size() == 0) consider(chunks_.NextDeadline());
  if (telemetry_.has_changes()) consider(telemetry_saved_ + limits::kTelemetrySaveInterval);
  if (superseded_) return next;
  consider(log_.NextTimer());
  consider(rules_.NextDeadline());
  consider(dispatch_.NextDeadline());
  if (const auto answer = conversation_.NextDeadline()) consider(std::max(*answer, silent_until_));
  consider(views_.NextDeadline());
  // Without a connection nobody can be told anything.
  consider(servers_.NextDeadline(connected_ ? block_policy_.seq() : 0));
  if (connected_) consider(freshness_due_);
  return next;
}

}  // namespace sluice
