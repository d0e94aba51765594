#include "tests/sim/simulation.h"

#include <fmt/format.h>

#include <ostream>
#include <set>

#include "tests/sim/operator.h"

namespace sluice::sim {
namespace {

constexpr std::int64_t kWallStartMs = 1'790'000'000'000;
constexpr std::int64_t kInferEveryMs = 1'000;
constexpr int kInferencesPerTurn = 12;
// After the last rollout, in a healed world: it is watched so long, and must be at rest by then.
constexpr std::int64_t kQuietMinMs = 5 * limits::kMinute;
constexpr std::int64_t kQuietMaxMs = 20 * limits::kMinute;
constexpr std::int64_t kTimeLimitMs = 6 * limits::kHour;
constexpr std::int64_t kEngineDownMaxMs = 20'000;
constexpr std::int64_t kDeviceOffMaxMs = 60'000;
constexpr std::uint64_t kDiskFaultWithin = 30;  // operations on the disk
constexpr std::size_t kHeardMax = 500;          // words of the engine that may be said again

/// How often what goes wrong, drawn once per run.
struct Weather {
  std::uint64_t loss_permille = 0, double_permille = 0;
  std::int64_t delay_max_ms = 0;
  std::int64_t engine_crash_every_ms = 0, device_crash_every_ms = 0, link_cut_every_ms = 0,
               broker_restart_every_ms = 0, replay_every_ms = 0;
};

Weather DrawWeather(Random& random) {
  Weather weather;
  weather.loss_permille = random.Below(50);
  weather.double_permille = random.Below(30);
  weather.delay_max_ms = static_cast<std::int64_t>(random.Below(1'500));
  auto every = [&random](std::int64_t least_ms) {
    return least_ms +
           static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(4 * least_ms)));
  };
  weather.engine_crash_every_ms = every(40'000);
  weather.device_crash_every_ms = every(10'000);
  weather.link_cut_every_ms = every(8'000);
  weather.broker_restart_every_ms = every(120'000);
  weather.replay_every_ms = every(2'000);
  return weather;
}

ModelTraits TraitsOf(Flaw flaw) {
  ModelTraits traits;
  traits.lab_accuracy_percent = 96;
  traits.field_accuracy_percent = 96;
  switch (flaw) {
    case Flaw::kNone:
      break;
    case Flaw::kFailsValidation:
      traits.lab_accuracy_percent = 80;
      break;
    case Flaw::kDoesNotLoad:
      traits.loads = false;
      break;
    case Flaw::kWrongInTheField:
      traits.field_accuracy_percent = 60;
      break;
    case Flaw::kErrors:
      traits.error_permille = 80;
      break;
    case Flaw::kSlow:
      traits.slow_permille = 150;
      break;
  }
  return traits;
}

class SilentEvents final : public TransportEvents {
  void OnConnected() override {}
  void OnDisconnected(const Error&) override {}
  void OnMessage(MqttMessage) override {}
  void OnPublished(std::uint64_t, bool) override {}
};

class World {
 public:
  explicit World(const SimOptions& options)
      : options_(options),
        random_(options.seed),
        clock_(kWallStartMs),
        weather_(DrawWeather(random_)),
        flaw_(options.flaw.value_or(static_cast<Flaw>(random_.Below(kFlawCount)))),
        broker_({.queue_messages_max = 1'000, .reconnect_delay_ms = 1'000}),
        publisher_(random_, clock_.Wall()),
        engine_(clock_, broker_, publisher_),
        operator_(MakeReleases()) {
    broker_.SetFaultPolicy([this](const Hop& hop) { return DrawFate(hop); });
    const int count =
        options.devices > 0 ? options.devices : 55 + static_cast<int>(random_.Below(36));
    for (int i = 0; i < count; ++i) AddDevice(i);
  }

  SimOutcome Run() {
    SLUICE_CHECK(replayer_.Start({}, {}, replayer_events_).has_value());
    StartEngine();
    for (auto& device : devices_) PowerUp(*device);
    while (!IsOver()) Step();
    for (std::string& finding : FindUnrest()) violations_.Add(std::move(finding));
    return Outcome();
  }

 private:
  Operator::Releases MakeReleases() {
    std::vector<Bytes> base, next;  // by hardware
    for (std::size_t i = 0; i < std::size(kHardware); ++i) {
      base.push_back(BuildArtifact(ModelTraits{}, 70'000 + random_.Below(60'000), random_));
      next.push_back(FineTune(base.back(), TraitsOf(flaw_), random_));
    }
    Operator::Releases releases;
    releases[0].push_back(Publish("detector-v1", 1, base));
    releases[1].push_back(Publish("detector-v2", 2, next));
    if (!options_.variants) return releases;
    std::vector<Bytes> rival;
    for (const Bytes& artifact : base)
      rival.push_back(FineTune(artifact, TraitsOf(Flaw::kNone), random_));
    releases[1].push_back(Publish("detector-v2b", 3, rival));
    return releases;
  }

  Publication Publish(const std::string& name, std::uint64_t seq,
                      const std::vector<Bytes>& artifacts) {
    Publication publication =
        publisher_.Release(name, seq, artifacts, 0.95, engine_.objects(), clock_.Wall());
    for (std::size_t i = 0; i < artifacts.size(); ++i) {
      const Digest artifact = Sha256(artifacts[i]);
      device_invariants_.AddRelease(kHardware[i], artifact);
      invariants_.AddRelease(name, artifact, Sha256(publication.envelopes[i]));
      artifacts_[{name, kHardware[i]}] = artifact;
      if (seq >= 2) second_release_.insert(artifact);
    }
    return publication;
  }

  void AddDevice(int index) {
    SimDevice::Setup setup;
    setup.id = fmt::format("cam-{:03}", index);
    setup.hardware = kHardware[index % 2];
    setup.slots = 2 + static_cast<int>(random_.Below(2));
    const auto year_ms = static_cast<std::uint64_t>(365 * limits::kDay);
    setup.wall_error_ms =
        static_cast<std::int64_t>(random_.Below(2 * year_ms)) - static_cast<std::int64_t>(year_ms);
    setup.seed = random_.Next();
    invariants_.AddDevice(setup.id, setup.hardware);
    device_invariants_.AddDevice(setup.id, setup.hardware);
    devices_.push_back(std::make_unique<SimDevice>(setup, clock_, broker_, publisher_.root(),
                                                   ObserverOf(setup.id)));
    by_id_[setup.id] = devices_.back().get();
  }

  SimDevice::Observer ObserverOf(const std::string& id) {
    SimDevice::Observer observer;
    observer.on_log = [this, id](std::string_view line) { Trace("{} {}", id, line); };
    observer.on_load = [this, id](const Digest& loaded) { device_invariants_.OnLoad(id, loaded); };
    observer.on_serve = [this, id](const Digest& serving, sdk::Purpose purpose) {
      const bool installs = purpose == sdk::Purpose::kInstall;
      if (installs && second_release_.contains(serving)) ++second_installs_;
      invariants_.OnServe(id, serving, purpose, clock_.now_ms());
    };
    observer.on_event = [this, id](const device::AgentStatus& status,
                                   const std::vector<Digest>& served) {
      device_invariants_.AfterEvent(id, status, served);
    };
    observer.on_report = [this, id](const Report& report, const std::vector<Digest>& served) {
      device_invariants_.OnReport(id, report, served);
    };
    observer.on_good_slot = [this, id](const device::SlotRecord& slot,
                                       const std::optional<Digest>& on_disk) {
      device_invariants_.OnGoodSlot(id, slot, on_disk);
    };
    return observer;
  }

  // ---- one step: to the next moment at which something is due ----

  void Step() {
    ++steps_;
    clock_.MoveTo(std::max(clock_.now_ms(), NextMs()));
    const std::int64_t now = clock_.now_ms();
    broker_.DeliverUntil(now);
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      SimDevice& device = *devices_[i];
      if (device.is_on() && device.NextWorkMs() <= now) device.Work();
      if (device.is_on() && device.has_lost_power()) CutPower(i);
    }
    if (now >= next_inference_ms_) {
      for (auto& device : devices_) {
        if (device->is_on()) device->Infer(kInferencesPerTurn);
      }
      next_inference_ms_ = now + kInferEveryMs;
    }
    if (engine_.is_up()) {
      if (now >= next_operation_ms_) {
        operator_.Act(engine_.engine(), now);
        next_operation_ms_ = now + limits::kSecond;
      }
      EndTurn();
    }
    if (FaultsAreOn()) DoFaults();
    RestoreWhatIsDue();
  }

  [[nodiscard]] std::int64_t NextMs() const {
    std::int64_t next = std::min(next_inference_ms_, engine_back_ms_);
    if (const auto due = broker_.NextDueMs()) next = std::min(next, *due);
    // Nobody operates an engine that is down: waiting for that would stop the world's clock.
    if (engine_.is_up()) next = std::min({next, next_operation_ms_, engine_.NextWorkMs()});
    for (const auto& device : devices_) {
      if (device->is_on()) next = std::min(next, device->NextWorkMs());
    }
    for (const auto& [index, at_ms] : power_back_ms_) next = std::min(next, at_ms);
    for (const auto& [id, at_ms] : link_back_ms_) next = std::min(next, at_ms);
    return next;
  }

  void EndTurn() {
    const Status ended = engine_.Turn();
    if (!ended) {
      Trace("engine: {}", ended.error().Line());
      CrashEngine();
      return;
    }
    operator_.OnCommitted();
    invariants_.AfterCommit(engine_.engine(), engine_.store(), clock_.now_ms());
    std::uint64_t events = 0;
    for (const auto& [id, entry] : engine_.engine().rollouts().all()) events += entry.events + 1;
    if (std::exchange(events_told_, events) == events) return;
    const std::string story = operator_.Story(engine_.engine());
    if (story != story_) Trace("{}", story_ = story);
  }

  // ---- what goes wrong ----

  [[nodiscard]] bool FaultsAreOn() const { return options_.faults && !operator_.is_done(); }

  Fate DrawFate(const Hop& hop) {
    Fate fate = FaultsAreOn() ? DrawFault() : Fate{};
    if (hop.direction == Hop::Direction::kUp) {
      if (hop.client_id == kEngineClientId) {
        invariants_.OnSent(hop.message, engine_.store(), clock_.now_ms());
        device_invariants_.OnSent(hop.message);
        Record(hop.message);
      } else if (const auto device = by_id_.find(hop.client_id);
                 device != by_id_.end() && device->second->has_lost_power()) {
        fate.copies = 0;
      }
    }
    if (!options_.watched.empty()) ShowHop(hop, fate);
    return fate;
  }

  /// What somebody on the line has heard of the engine's words, to be said again.
  void Record(const MqttMessage& message) {
    if (!FaultsAreOn() || !message.topic.starts_with("sluice-dev/") ||
        message.topic.ends_with("/chunk"))
      return;
    if (heard_.size() < kHeardMax) return heard_.push_back(message);
    heard_[random_.Below(kHeardMax)] = message;
  }

  void Replay() {
    if (heard_.empty()) return;
    const MqttMessage& old = heard_[random_.Below(heard_.size())];
    static_cast<void>(replayer_.Publish(old.topic, old.payload, old.qos, random_.Below(4) == 0));
  }

  Fate DrawFault() {
    Fate fate;
    if (random_.Below(1'000) < weather_.loss_permille) fate.copies = 0;
    if (random_.Below(1'000) < weather_.double_permille) fate.copies = 2;
    fate.delay_ms = static_cast<std::int64_t>(
        random_.Below(static_cast<std::uint64_t>(weather_.delay_max_ms) + 1));
    return fate;
  }

  void ShowHop(const Hop& hop, const Fate& fate) const {
    if (options_.trace == nullptr) return;
    if (hop.message.topic.find("/" + options_.watched + "/") == std::string::npos) return;
    const char* const way = hop.direction == Hop::Direction::kUp ? "to" : "from";
    *options_.trace << fmt::format(
        "{:>10.3f}  | {} {} the broker: {}, {} bytes, {} times in {} ms\n",
        static_cast<double>(hop.now_ms) / 1000, hop.client_id, way, hop.message.topic,
        hop.message.payload.size(), fate.copies, fate.delay_ms);
  }

  /// True about once in `every_ms` of virtual time.
  bool Strikes(std::int64_t every_ms, std::int64_t passed_ms) {
    return random_.Below(static_cast<std::uint64_t>(every_ms)) <
           static_cast<std::uint64_t>(passed_ms);
  }

  void DoFaults() {
    const std::int64_t passed_ms = clock_.now_ms() - last_faults_ms_;
    last_faults_ms_ = clock_.now_ms();
    if (passed_ms == 0) return;
    if (engine_.is_up() && Strikes(weather_.engine_crash_every_ms, passed_ms)) {
      // Half of them die inside the next write, the others between two turns.
      if (random_.Below(2) == 0) {
        engine_.FailWrite(1);
      } else {
        CrashEngine();
      }
    }
    if (Strikes(weather_.device_crash_every_ms, passed_ms))
      FailDevice(random_.Below(devices_.size()));
    if (Strikes(weather_.replay_every_ms, passed_ms)) Replay();
    if (Strikes(weather_.link_cut_every_ms, passed_ms)) {
      const std::string& id = devices_[random_.Below(devices_.size())]->id();
      broker_.CutLink(id);
      link_back_ms_[id] = clock_.now_ms() + Delay(kDeviceOffMaxMs);
    }
    if (Strikes(weather_.broker_restart_every_ms, passed_ms)) {
      Trace("broker restarts");
      broker_.Restart(random_.Below(2) == 0);
    }
  }

  std::int64_t Delay(std::int64_t max_ms) {
    return 1 + static_cast<std::int64_t>(random_.Below(static_cast<std::uint64_t>(max_ms)));
  }

  void CrashEngine() {
    ++engine_crashes_;
    Trace("engine dies");
    engine_.Crash();
    operator_.OnEngineLost();
    engine_back_ms_ = clock_.now_ms() + Delay(kEngineDownMaxMs);
  }

  /// Half of them lose power between two events, the others inside an operation on the disk or
  /// only that operation.
  void FailDevice(std::size_t index) {
    using test_support::Fault;
    if (!devices_[index]->is_on()) return;
    const std::uint64_t how = random_.Below(8);
    if (how < 4) return CutPower(index);
    const Fault fault = how < 6 ? Fault::kPowerOff : how < 7 ? Fault::kIoError : Fault::kNoSpace;
    devices_[index]->FailDisk(fault, kDiskFaultWithin);
  }

  void CutPower(std::size_t index) {
    ++device_crashes_;
    invariants_.OnPowerCut(devices_[index]->id());
    Trace("{} loses power", devices_[index]->id());
    devices_[index]->PowerCut();
    power_back_ms_[index] = clock_.now_ms() + Delay(kDeviceOffMaxMs);
  }

  void RestoreWhatIsDue() {
    const std::int64_t now = FaultsAreOn() ? clock_.now_ms() : INT64_MAX - 1;  // healing is at once
    if (!engine_.is_up() && engine_back_ms_ <= now) StartEngine();
    std::erase_if(power_back_ms_, [&](const auto& entry) {
      if (entry.second > now) return false;
      PowerUp(*devices_[entry.first]);
      return true;
    });
    std::erase_if(link_back_ms_, [&](const auto& entry) {
      if (entry.second > now) return false;
      broker_.RestoreLink(entry.first);
      return true;
    });
  }

  void StartEngine() {
    engine_back_ms_ = INT64_MAX;
    if (const Status started = engine_.Start(); !started) {
      violations_.Add("the engine does not start: " + started.error().Line());
      broken_ = true;
      return;
    }
    invariants_.AfterRestart(engine_.engine());
  }

  void PowerUp(SimDevice& device) {
    if (const Status up = device.PowerUp(); !up) {
      violations_.Add(device.id() + " does not start: " + up.error().Line());
      broken_ = true;
    }
  }

  // ---- the end ----

  [[nodiscard]] bool IsOver() {
    if (broken_ || violations_.all().size() > 20) return true;
    if (operator_.is_done()) return IsQuietOver();
    if (clock_.now_ms() <= kTimeLimitMs) return false;
    violations_.Add(
        fmt::format("after {} virtual hours: {}", kTimeLimitMs / limits::kHour, story_));
    return true;
  }

  [[nodiscard]] bool IsQuietOver() {
    const std::int64_t now = clock_.now_ms();
    if (quiet_since_ms_ < 0) {
      quiet_since_ms_ = now;
      next_rest_check_ms_ = now + kQuietMinMs;
    }
    if (now - quiet_since_ms_ >= kQuietMaxMs) return true;
    if (now < next_rest_check_ms_) return false;
    next_rest_check_ms_ = now + limits::kMinute;
    return FindUnrest().empty();
  }

  /// What must have come to pass in a world where nothing goes wrong any more.
  [[nodiscard]] std::vector<std::string> FindUnrest() {
    std::vector<std::string> findings;
    if (broken_ || !operator_.is_done() || !engine_.is_up()) return findings;
    const RolloutStatus first = operator_.StatusOf(engine_.engine(), 0);
    const RolloutStatus second = operator_.StatusOf(engine_.engine(), 1);
    const std::string brought = operator_.FinalReleaseOf(engine_.engine(), 1);
    if (flaw_ != Flaw::kNone && second == RolloutStatus::kCompleted && brought == "detector-v2")
      findings.push_back(fmt::format("a release that is {} was completed", FlawName(flaw_)));
    for (const auto& device : devices_) {
      if (!device->is_on()) continue;
      FindDeviceUnrest(*device, findings);
      const Digest loaded = device->Inspect().loaded;
      const bool has_second = loaded == artifacts_.at({brought, device->hardware()});
      if (second == RolloutStatus::kRolledBack && second_release_.contains(loaded))
        findings.push_back(device->id() + " still runs what was rolled back");
      if (HasReasonToStay(*device)) continue;
      if (second == RolloutStatus::kCompleted && !has_second) {
        findings.push_back(fmt::format("{} does not run the completed release but {}", device->id(),
                                       loaded.Short()));
      }
      if (first == RolloutStatus::kCompleted && loaded.IsZero())
        findings.push_back(device->id() + " serves nothing although a release is complete");
    }
    return findings;
  }

  void FindDeviceUnrest(const SimDevice& device, std::vector<std::string>& findings) {
    const Digest loaded = device.Inspect().loaded;
    const Device* known = engine_.engine().devices().Find(device.id());
    if (known == nullptr || known->active_artifact != loaded) {
      findings.push_back(
          fmt::format("{} runs {}, the engine believes {}", device.id(), loaded.Short(),
                      known == nullptr ? "nothing" : known->active_artifact.Short()));
    }
    if (known != nullptr && !known->quarantine.empty())
      findings.push_back(device.id() + " is in quarantine: " + known->quarantine);
    const std::size_t waiting = device.CountReportsAbove(known == nullptr ? 0 : known->report_seq);
    if (waiting > 0)
      findings.push_back(
          fmt::format("{} has {} reports that nobody has taken", device.id(), waiting));
  }

  /// Its last word about the install that stands is why it did not come to pass.
  [[nodiscard]] bool HasReasonToStay(const SimDevice& device) {
    const Device* known = engine_.engine().devices().Find(device.id());
    if (known == nullptr || !known->directive || !known->report) return false;
    const Report& report = *known->report;
    const bool failed =
        report.state == ReportState::kFailed || report.state == ReportState::kRejected;
    return failed && !report.code.empty() && report.manifest == known->directive->value.manifest;
  }

  SimOutcome Outcome() {
    SimOutcome outcome;
    outcome.violations = violations_.all();
    outcome.flaw = flaw_;
    if (engine_.is_up()) {
      outcome.first = operator_.StatusOf(engine_.engine(), 0);
      outcome.second = operator_.StatusOf(engine_.engine(), 1);
      outcome.first_why = operator_.WhyOf(engine_.engine(), 0);
      outcome.why = operator_.WhyOf(engine_.engine(), 1);
      outcome.first_was_asked = operator_.was_asked(0);
      outcome.second_release = operator_.FinalReleaseOf(engine_.engine(), 1);
    }
    outcome.devices = static_cast<int>(devices_.size());
    outcome.engine_crashes = engine_crashes_;
    outcome.device_crashes = device_crashes_;
    outcome.steps = steps_;
    outcome.virtual_ms = clock_.now_ms();
    outcome.second_installs = second_installs_;
    outcome.trace_hash = trace_hash_;
    return outcome;
  }

  template <class... Args>
  void Trace(fmt::format_string<Args...> format, Args&&... args) {
    const std::string line =
        fmt::format("{:>10.3f}  {}", static_cast<double>(clock_.now_ms()) / 1000,
                    fmt::format(format, std::forward<Args>(args)...));
    for (const char c : line)
      trace_hash_ = (trace_hash_ ^ static_cast<unsigned char>(c)) * 0x100000001B3;  // FNV-1a
    if (options_.trace != nullptr) *options_.trace << line << '\n';
  }

  const SimOptions options_;
  SeededRandom random_;
  VirtualClock clock_;
  const Weather weather_;
  const Flaw flaw_;
  Violations violations_;
  Invariants invariants_{violations_};
  DeviceInvariants device_invariants_{violations_};
  MemoryBroker broker_;
  SimPublisher publisher_;
  SimEngine engine_;
  std::map<std::pair<std::string, std::string>, Digest> artifacts_;  // by release and hardware
  std::set<Digest> second_release_;                                  // its artifacts
  Operator operator_;
  std::vector<std::unique_ptr<SimDevice>> devices_;
  std::map<std::string, SimDevice*> by_id_;
  SilentEvents replayer_events_;
  MemoryTransport replayer_{broker_, "replayer"};
  std::vector<MqttMessage> heard_;

  std::int64_t next_inference_ms_ = 0, next_operation_ms_ = 0, last_faults_ms_ = 0;
  std::int64_t engine_back_ms_ = INT64_MAX, quiet_since_ms_ = -1, next_rest_check_ms_ = 0;
  std::map<std::size_t, std::int64_t> power_back_ms_;
  std::map<std::string, std::int64_t> link_back_ms_;
  bool broken_ = false;
  std::string story_;
  std::uint64_t events_told_ = 0;
  int second_installs_ = 0;
  int engine_crashes_ = 0, device_crashes_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t trace_hash_ = 0xCBF29CE484222325;
};

}  // namespace

std::string_view FlawName(Flaw flaw) noexcept {
  switch (flaw) {
    case Flaw::kNone:
      return "good";
    case Flaw::kFailsValidation:
      return "failing-validation";
    case Flaw::kDoesNotLoad:
      return "not-loading";
    case Flaw::kWrongInTheField:
      return "wrong-in-the-field";
    case Flaw::kErrors:
      return "erring";
    case Flaw::kSlow:
      return "slow";
  }
  return "?";
}

SimOutcome RunSimulation(const SimOptions& options) { return World(options).Run(); }

}  // namespace sluice::sim
