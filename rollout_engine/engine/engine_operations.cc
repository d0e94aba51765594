// What people and programs ask for.
#include <algorithm>

#include "common/contract/topics.h"
#include "rollout_engine/config/rollout_yaml.h"
#include "rollout_engine/engine/engine.h"

namespace sluice {
namespace {

Outcome Refused(const Operation& operation, const Error& error, std::uint64_t rev) {
  return {.id = operation.id,
          .code = error.code,
          .message = error.text,
          .object = operation.object,
          .rev = rev};
}

std::string Argument(const Operation& operation, const std::string& name) {
  const auto found = operation.arguments.find(name);
  return found == operation.arguments.end() ? std::string() : found->second;
}

Error UnknownOperation(const Operation& operation) {
  return {ErrorCode::kUsage, "no operation '" + operation.op + "' on a " +
                                 std::string(SubjectName(operation.subject))};
}

}  // namespace

Outcome Engine::Execute(const Operation& operation) {
  if (const Status able = CheckInCharge(); !able) return Refused(operation, able.error(), 0);
  if (const Status valid = CheckOperation(operation); !valid)
    return Refused(operation, valid.error(), 0);
  const auto known = operations_.FindOutcome(operation);
  if (!known) return Refused(operation, known.error(), 0);
  if (*known) return **known;

  Turn& turn = CurrentTurn();
  Result<Outcome> result = Run(operation);
  const std::string object = result ? result->object : operation.object;
  RolloutEntry* entry = operation.subject == Subject::kRollout ? log_.FindMutable(object) : nullptr;
  Outcome outcome = result ? *result : Refused(operation, result.error(), 0);
  outcome.id = operation.id;
  if (entry != nullptr) {
    log_.AddNote(*entry,
                 {.type = operation.op,
                  .by = operation.by,
                  .via = operation.via,
                  .op_id = operation.id,
                  .ok = outcome.ok(),
                  .code = std::string(CodeName(outcome.code)),
                  .why = outcome.ok() ? operation.reason : outcome.message},
                 turn);
    outcome.rev = entry->rev;
    outcome.event_seq = entry->notes;
  }
  rules_.NoteOperation(operation, outcome.ok());
  operations_.Remember(operation, outcome, turn);
  return outcome;
}

Result<Outcome> Engine::Run(const Operation& operation) {
  switch (operation.subject) {
    case Subject::kRollout:
      return operation.op == "create" ? RunCreate(operation) : RunOnRollout(operation);
    case Subject::kDevice:
      return RunOnDevice(operation);
    case Subject::kEngine:
      return RunOnEngine(operation);
  }
  return Fail(UnknownOperation(operation));
}

Result<Outcome> Engine::RunCreate(const Operation& operation) {
  const std::string id = operation.object.empty() ? log_.NextId() : operation.object;
  SLUICE_TRY(CheckIdentity("rollout id", id));
  if (log_.Find(id) != nullptr)
    return Fail(ErrorCode::kConflict, "rollout " + id + " exists; take another id");
  const auto active = std::count_if(log_.all().begin(), log_.all().end(), [](const auto& entry) {
    return entry.second.rollout.status == RolloutStatus::kScheduled ||
           IsOpen(entry.second.rollout.status);
  });
  if (static_cast<std::size_t>(active) >= limits::kRolloutsActiveMax) {
    return Fail(ErrorCode::kQueueFull, std::to_string(active) +
                                           " rollouts are scheduled or running, which is the most; "
                                           "abort one first");
  }
  SLUICE_ASSIGN(RolloutSpec spec, ParseRolloutYaml(Argument(operation, "file")));
  SLUICE_ASSIGN(const auto releases, runner_.ReleasesOf(spec));
  SLUICE_TRY(log_.Create(id, releases.front()->model, std::move(spec), CurrentTurn()));
  return Outcome{.message = "rollout " + id + " is scheduled", .object = id};
}

Result<Outcome> Engine::RunOnRollout(const Operation& operation) {
  RolloutEntry* entry = log_.FindMutable(operation.object);
  if (entry == nullptr) return Fail(ErrorCode::kNotFound, "no rollout " + operation.object);
  if (operation.expect_rev && *operation.expect_rev != entry->rev) {
    return Fail(ErrorCode::kConflict,
                "rollout " + operation.object + " is at rev " + std::to_string(entry->rev) +
                    ", not " + std::to_string(*operation.expect_rev) + "; look at it again");
  }
  SLUICE_ASSIGN(EventBody event, EventOf(operation, *entry));
  SLUICE_TRY(runner_.Apply(*entry, std::move(event), CurrentTurn()));
  return Outcome{.message = "rollout " + operation.object + " is " +
                            std::string(RolloutStatusName(entry->rollout.status)),
                 .object = operation.object};
}

Result<EventBody> Engine::EventOf(const Operation& operation, const RolloutEntry& entry) {
  const std::string& reason = operation.reason;
  // A rule names itself; what another client calls itself is a label that nobody has proved.
  const std::string by = operation.via == "rule" ? operation.by : "";
  if (operation.op == "start") {
    // Only a scheduled one looks for devices; the machine refuses to start any other.
    if (entry.rollout.status != RolloutStatus::kScheduled) return EventBody(Started{});
    SLUICE_ASSIGN(Started started, runner_.PlanStart(entry, CurrentTurn().now));
    return EventBody(std::move(started));
  }
  if (operation.op == "promote") {
    const std::string to = Argument(operation, "to");
    if (to.empty()) {
      return EventBody(PromoteRequested{.to_stage = std::nullopt, .reason = reason, .by = by});
    }
    const auto& stages = entry.rollout.spec.stages;
    const auto stage = std::find_if(stages.begin(), stages.end(),
                                    [&](const StageSpec& s) { return s.name == to; });
    if (stage == stages.end())
      return Fail(ErrorCode::kNotFound, "rollout " + entry.rollout.id + " has no stage " + to);
    return EventBody(PromoteRequested{
        .to_stage = static_cast<std::int32_t>(stage - stages.begin()), .reason = reason, .by = by});
  }
  if (operation.op == "pause") return EventBody(PauseRequested{reason, by});
  if (operation.op == "resume") return EventBody(ResumeRequested{reason, by});
  if (operation.op == "approve") return EventBody(ApproveRequested{reason, by});
  if (operation.op == "abort") return EventBody(AbortRequested{reason, by});
  if (operation.op == "roll_back") return EventBody(RollBackRequested{reason, by});
  return Fail(UnknownOperation(operation));
}

Result<Outcome> Engine::RunOnDevice(const Operation& operation) {
  Device* device = devices_.FindMutable(operation.object);
  if (device == nullptr) return Fail(ErrorCode::kNotFound, "no device " + operation.object);
  Turn& turn = CurrentTurn();
  if (operation.op == "quarantine") {
    const std::string by = operation.via == "rule" ? operation.by : "an operator";
    devices_.Quarantine(*device, "quarantined by " + by + ": " + operation.reason, turn);
    runner_.OnQuarantine(*device, turn);
  } else if (operation.op == "lift") {
    devices_.Quarantine(*device, "", turn);
    if (device->hello)
      runner_.OnHello(*device, turn);  // it takes part from now on, not from its next hello
  } else {
    return Fail(UnknownOperation(operation));
  }
  return Outcome{.message = "device " + operation.object +
                            (device->quarantine.empty() ? " takes part" : " is left alone"),
                 .object = operation.object};
}

Result<Outcome> Engine::RunOnEngine(const Operation& operation) {
  if (operation.op == "reload_rules") return ReloadRules();
  if (operation.op != "accept_clock") return Fail(UnknownOperation(operation));
  Turn& turn = CurrentTurn();
  director_.AcceptClock(turn.wall, turn.batch);
  runner_.OnClockAccepted(turn);
  turn.must_sync = true;
  return Outcome{.message = "the engine signs by the machine's clock"};
}

Result<Outcome> Engine::ReloadRules() {
  if (!options_.read_rules) {
    return Fail(ErrorCode::kState, "this engine has no rule file; start it with --rules FILE");
  }
  if (const Status read = ReadRules(); !read)
    return Fail(read.error().With("the rules stay as they were"));
  const std::size_t filters = rules_.Subscriptions().size();
  return Outcome{.message = std::to_string(rules_.rules().rules.size()) + " rules on " +
                            std::to_string(filters) + " filters"};
}

Result<Published> Engine::PublishRelease(const Publication& publication) {
  SLUICE_TRY(CheckInCharge());
  SLUICE_ASSIGN(Published published,
                registry_.Publish(director_.trust(), publication, ports_.clock.Wall()));
  offers_.ForgetReleases();
  return published;
}

Result<RolloutPlan> Engine::PlanRollout(const std::string& file) {
  SLUICE_TRY(CheckInCharge());
  SLUICE_ASSIGN(const RolloutSpec spec, ParseRolloutYaml(file));
  SLUICE_ASSIGN(const auto releases, runner_.ReleasesOf(spec));
  const RolloutEntry planned{.rollout = sluice::CreateRollout("plan", spec)};
  SLUICE_ASSIGN(const Started started, runner_.PlanStart(planned, Now()));
  return MakePlan({spec, releases, started, devices_, telemetry_.fleet(), ports_.objects, Now()},
                  offers_);
}

Result<std::vector<ForecastRow>> Engine::ForecastRelease(const std::string& release) {
  SLUICE_TRY(CheckInCharge());
  SLUICE_ASSIGN(const Release* found, offers_.FindRelease(release));
  return ForecastPayloads(*found, devices_.all(), offers_, ports_.objects);
}

}  // namespace sluice
