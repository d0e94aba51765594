// Feeds the update machine and carries its effects out.
#include <algorithm>

#include "common/crypto/digest.h"
#include "device_sdk/agent/agent.h"

namespace sluice::device {
namespace {

constexpr std::int64_t kProgressFirstMs = 300 * limits::kSecond;
/// A trial takes at least this part of its deadline, however soon its evidence is there.
constexpr std::int64_t kSoakDivisor = 30;
constexpr std::int64_t kTrialStepMinMs = 50;
constexpr std::int64_t kTrialStepMaxMs = limits::kSecond;
constexpr std::uint32_t kMinInferencesDefault = 100;  // when a restart lost the directive's word

sdk::Purpose PurposeOf(ActivateReason reason) {
  switch (reason) {
    case ActivateReason::kInstall:
      return sdk::Purpose::kInstall;
    case ActivateReason::kRevert:
      return sdk::Purpose::kRevert;
    case ActivateReason::kStart:
      break;
  }
  return sdk::Purpose::kStart;
}

char SlotName(SlotId slot) { return static_cast<char>('a' + slot); }

}  // namespace

// ---- Feeding

Status Agent::Feed(Event event) {
  events_.push_back(std::move(event));
  if (feeding_) return {};  // an effect's answer: taken up when the effect is done
  feeding_ = true;
  Status first;
  for (bool is_first = true; !events_.empty(); is_first = false) {
    const Event next = std::move(events_.front());
    events_.pop_front();
    Status stepped = StepOnce(next);
    if (is_first) first = std::move(stepped);
  }
  feeding_ = false;
  return first;
}

Status Agent::StepOnce(const Event& event) {
  const UpdateState before = update_.state();
  CountBytes();
  Result<std::vector<Effect>> effects = Step(update_, event);
  if (!effects) {
    // Late news of work that was withdrawn is no error worth a line.
    if (effects.error().code != ErrorCode::kState) last_error_ = effects.error();
    return Fail(effects.error());
  }
  if (!effects->empty() && std::holds_alternative<Persist>(effects->front())) {
    const Status written = Write(std::get<Persist>(effects->front()));
    if (!written) last_error_ = written.error();
    effects = Step(update_, Persisted{written.has_value()});
    if (written) update_.record.gen = parts_.store.record().gen;
    if (!effects) return Fail(effects.error());
  }
  AfterStep(before);
  for (const Effect& effect : *effects) {
    std::visit([this](const auto& of) { Do(of); }, effect);
  }
  return {};
}

Status Agent::Write(const Persist& persist) {
  for (const Document& document : persist.documents) {
    SLUICE_TRY(document.name == "directive"
                   ? parts_.store.WriteDirective(document.bytes)
                   : parts_.store.WriteDocument(document.name, document.bytes));
  }
  return parts_.store.WriteRecord(persist.record);
}

/// What follows from any step, whatever its effects.
void Agent::AfterStep(UpdateState before) {
  const UpdateState now = update_.state();
  if (now != before) {
    Log("state " + std::string(UpdateStateName(before)) + " -> " +
        std::string(UpdateStateName(now)));
  }
  if (now != UpdateState::kTrial) {
    trial_.reset();
    trial_due_.reset();
  }
  if (update_.plan.install) fetcher_.SetBudgetLimit(update_.plan.install->byte_budget);
  const std::uint32_t limit_us = ServingLatencyLimitUs(update_.plan, update_.record);
  const bool switches = now == UpdateState::kActivating || now == UpdateState::kReverting;
  const bool new_activation = counted_activation_ != update_.record.activation && !switches;
  if (new_activation && counted_release_ == loaded_) PublishTelemetry(false);  // the last word
  if (new_activation || counted_release_ != loaded_) {
    counted_activation_ = update_.record.activation;
    counted_release_ = loaded_;
    counters_.StartActivation(limit_us);
  } else {
    counters_.SetLatencyLimit(limit_us);
  }
}

void Agent::CountBytes() {
  const UpdateState state = update_.state();
  const bool fetching = state == UpdateState::kChecking || state == UpdateState::kDownloading;
  if (!fetching || !update_.plan.install) return;
  update_.record.work.bytes_spent = fetcher_.BytesSpent();
  work_bytes_up_ = parts_.transport.Used().bytes_up - work_mark_.bytes_up;
}

void Agent::BeginBudget() {
  fetcher_.BeginBudget(update_.plan.install->byte_budget, update_.record.work.bytes_spent);
  work_mark_ = parts_.transport.Used();
  work_bytes_up_ = 0;
}

// ---- Effects on the link

void Agent::Do(const Persist&) {}  // was first, and is done

void Agent::Do(const SayHello&) { hello_.Want(Boot()); }

void Agent::Do(const Redeliver& effect) {
  static_cast<void>(Feed(DirectiveReceived{effect.envelope}));
}

void Agent::Do(const CheckDirective& effect) {
  DirectiveChecked checked =
      verifier_.CheckDirective(effect.envelope, update_, newest_answer_.directive, NowMs());
  const bool about_time = checked.refusal && (checked.refusal->code == ErrorCode::kExpired ||
                                              checked.refusal->code == ErrorCode::kNotYet);
  if (about_time && !time_.IsLive()) {
    // A retained Directive may be here before the first Answer: the wall clock alone refuses
    // nothing for good. It comes again after the hello.
    checked.refusal->code = ErrorCode::kClock;
  }
  if (checked.refusal) Refused("Directive", *checked.refusal);
  static_cast<void>(Feed(std::move(checked)));
}

void Agent::Do(const SendReport& effect) {
  const StateRecord& record = update_.record;
  Report report;
  report.instance = parts_.store.instance();
  report.record_gen = record.gen;
  report.directive = effect.directive;
  report.rollout = effect.rollout;
  report.stage = effect.stage;
  report.manifest = effect.manifest;
  report.state = effect.state;
  report.code = effect.code;
  report.text = effect.text;
  report.active_artifact = loaded_;
  report.activation = record.activation;
  if (effect.manifest == record.work.manifest) {
    report.bytes_up = std::min(work_bytes_up_, record.work.bytes_spent);
    report.bytes_down = record.work.bytes_spent - report.bytes_up;
    report.bytes_done = std::min(installer_.bytes_done(), installer_.bytes_total());
    report.bytes_total = installer_.bytes_total();
  }
  report.validation = effect.validation;
  if (effect.state == ReportState::kReverted &&
      effect.code != CodeName(ErrorCode::kRevertOrdered)) {
    telemetry_flags_ |= Telemetry::kSelfReverted;
  }
  if (!effect.code.empty())
    last_error_ = {CodeFromName(effect.code).value_or(ErrorCode::kInternal), effect.text};
  Log("report " + std::string(ReportStateName(effect.state)) +
      (effect.code.empty() ? "" : " " + effect.code) +
      (effect.text.empty() ? "" : ": " + effect.text));
  const std::uint64_t publish_id = reporter_.Add(std::move(report), Boot());
  if (effect.state == ReportState::kActivating) activating_publish_ = publish_id;
}

void Agent::Do(const ArmTimer& effect) {
  timers_[static_cast<std::size_t>(effect.timer)] = Boot() + effect.delay_ms;
}

// ---- Effects of an install

void Agent::Do(const FetchManifest& effect) {
  BeginBudget();
  installer_.FetchManifest(effect.digest, effect.size_bytes, Boot());
}

void Agent::OnOutcome(ManifestFetched fetched) {
  Result<ReleaseManifest> manifest = verifier_.CheckManifest(fetched.envelope, update_, NowMs());
  if (manifest) {
    const SlotId slot = ChooseStandby(update_, manifest->artifact_sha256);
    Status ready = parts_.store.WriteDocument("manifest", fetched.envelope);
    // The space is there before the fallback is given up for the new release.
    if (ready) ready = parts_.store.CheckSpace(slot, manifest->artifact_size);
    if (!ready) manifest = Fail(ready.error());
  }
  if (!manifest) Refused("manifest", manifest.error());
  static_cast<void>(Feed(ManifestChecked{std::move(manifest)}));
}

void Agent::OnOutcome(const PayloadWritten& written) { static_cast<void>(Feed(written)); }
void Agent::OnOutcome(const PayloadFailed& failed) { static_cast<void>(Feed(failed)); }
void Agent::OnOutcome(const DownloadStopped& stopped) { static_cast<void>(Feed(stopped)); }

void Agent::Do(const FetchPayload& effect) {
  BeginBudget();
  progress_due_ = Boot() + kProgressFirstMs;
  installer_.FetchPayload({update_.plan.install->offers[effect.offer], *update_.plan.manifest,
                           effect.slot, update_.record.active},
                          Boot());
}

void Agent::Do(const StopWork&) {
  installer_.Stop();
  parts_.host.CancelValidation();
}

void Agent::Do(const FinishAndVerifySlot& effect) {
  const auto finish = [&]() -> Status {
    SLUICE_ASSIGN(const Bytes manifest, parts_.store.ReadDocument("manifest"));
    SLUICE_TRY(parts_.store.FinishSlot(effect.slot, manifest));
    SLUICE_ASSIGN(const LoadableSlot whole, OpenVerified(effect.slot, sdk::Purpose::kValidateNew));
    static_cast<void>(whole);
    return {};
  };
  static_cast<void>(Feed(SlotVerified{finish()}));
}

Result<Agent::LoadableSlot> Agent::OpenVerified(SlotId slot, sdk::Purpose purpose) const {
  const SlotRecord& record = update_.record.slots[slot];
  SLUICE_ASSIGN(const OpenSlot open, parts_.store.OpenAndHash(slot));
  UniqueFd fd(open.fd);
  SLUICE_ASSIGN(const Bytes envelope, parts_.store.ReadManifest(slot));
  SLUICE_ASSIGN(ReleaseManifest manifest, ManifestOfSlot(envelope, record));
  if (open.sha256 != manifest.artifact_sha256 || open.size_bytes != manifest.artifact_size) {
    return Fail(ErrorCode::kArtifactHash, std::string("slot ") + SlotName(slot) + " holds " +
                                              open.sha256.Short() + ", its manifest names " +
                                              manifest.artifact_sha256.Short());
  }
  VerifiedModel model{.fd = std::move(fd),
                      .size_bytes = open.size_bytes,
                      .sha256 = open.sha256,
                      .release = manifest.release,
                      .format = manifest.format,
                      .runtime_abi = manifest.runtime_abi,
                      .purpose = purpose,
                      .slot = SlotName(slot),
                      .activation = update_.record.activation};
  model.latency_limit_us =
      static_cast<std::uint32_t>(std::clamp(manifest.limits.latency_p99_max_ms * 1000, 0.0, 4e9));
  return LoadableSlot{std::move(model), std::move(manifest)};
}

void Agent::Do(const RunValidation& effect) {
  Result<LoadableSlot> candidate = OpenVerified(effect.candidate, sdk::Purpose::kValidateNew);
  if (!candidate) {
    static_cast<void>(Feed(Validated{{}, candidate.error()}));
    return;
  }
  const std::uint32_t latency_limit_us = candidate->model.latency_limit_us;
  ValidationJob job{.base = std::nullopt,
                    .candidate = std::move(candidate->model),
                    .set = std::nullopt,
                    .latency_limit_us = latency_limit_us};
  const ValidationSpec& spec = candidate->manifest.validation;
  if (!spec.sha256.IsZero()) {
    Result<Bytes> set = parts_.store.ReadDocument("validation");
    if (!set || Sha256(*set) != spec.sha256) {
      static_cast<void>(Feed(
          Validated{{}, Error{ErrorCode::kStoreIo, "the validation set cannot be read back"}}));
      return;
    }
    job.set = *std::move(set);
  }
  if (effect.base) {
    // A base that does not load any more says nothing about the candidate.
    if (auto base = OpenVerified(*effect.base, sdk::Purpose::kValidateBase))
      job.base = std::move(base->model);
  }
  parts_.host.BeginValidation(std::move(job));
}

// ---- Effects on the serving model

void Agent::Do(const ActivateModel& effect) {
  PublishTelemetry(
      false);  // the last word of what served so far; a switch must not wait for the runner
  telemetry_flags_ &= static_cast<std::uint16_t>(~Telemetry::kSelfReverted);
  if (!effect.slot) {
    parts_.host.ServeNothing();
    loaded_ = {};
    loaded_release_.clear();
    static_cast<void>(Feed(ModelServing{}));
    return;
  }
  Result<LoadableSlot> opened = OpenVerified(*effect.slot, PurposeOf(effect.reason));
  if (!opened) {
    static_cast<void>(Feed(ModelFailed{opened.error()}));
    return;
  }
  Plan when_serving = update_.plan;
  when_serving.serving_limits = opened->manifest.limits;
  opened->model.latency_limit_us = ServingLatencyLimitUs(when_serving, update_.record);
  const Status served = parts_.host.Serve(std::move(opened->model));
  if (!served) {
    Log("load failed: " + served.error().Line());
    static_cast<void>(Feed(ModelFailed{served.error()}));
    return;
  }
  loaded_ = opened->manifest.artifact_sha256;
  loaded_release_ = opened->manifest.release;
  if (effect.reason != ActivateReason::kStart) crashes_ = 0;
  val_drop_q_ = effect.reason == ActivateReason::kInstall ? ValidationDropQ(update_.plan.validation)
                                                          : Telemetry::kValDropNotRun;
  Log("serving " + loaded_release_ + " " + loaded_.Short() + " from slot " +
      SlotName(*effect.slot));
  const auto offset_ms = parts_.random.Below(static_cast<std::uint64_t>(TelemetryIntervalMs()));
  telemetry_due_ = Boot() + static_cast<std::int64_t>(offset_ms);
  static_cast<void>(Feed(ModelServing{loaded_, opened->manifest.limits}));
}

void Agent::Do(const WatchTrial& effect) {
  const auto& install = update_.plan.install;
  const std::int64_t trial_ms = install ? install->trial_ms : effect.budget_left_ms;
  const CounterSnapshot counts = counters_.Read();
  TrialHealth::Terms terms;
  terms.limits = update_.plan.serving_limits;
  terms.limits.latency_p99_max_ms = ServingLatencyLimitUs(update_.plan, update_.record) / 1000.0;
  terms.soak_ms = trial_ms / kSoakDivisor;
  terms.interval_ms = terms.soak_ms / kBadIntervalsMax;  // so that a soak can find what is bad
  terms.budget_left_ms = effect.budget_left_ms;
  terms.min_inferences = install ? install->min_inferences : kMinInferencesDefault;
  terms.start = {counts.inferences, counts.errors, counts.over_latency};
  trial_.emplace(terms, Boot().ms);
  trial_step_ms_ = std::clamp(terms.soak_ms / 2, kTrialStepMinMs, kTrialStepMaxMs);
  trial_due_ = Boot() + trial_step_ms_;
}

void Agent::Do(const StampConfirmed& effect) {
  const SlotRecord& slot = update_.record.slots[effect.slot];
  // The stamp only serves a record that rots later; the store makes up for it before it would be
  // needed.
  const Status stamped = parts_.store.StampConfirmed(effect.slot, slot.manifest, slot.artifact);
  if (!stamped) last_error_ = stamped.error();
}

}  // namespace sluice::device
