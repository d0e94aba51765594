#include "tests/sim/simulation.h"

#include <fmt/format.h>

#include <ostream>

#include "tests/sim/operator.h"

namespace sluice::sim {
namespace {

constexpr std::int64_t kWallStartMs = 1'790'000'000'000;
constexpr std::int64_t kInferEveryMs = 1'000;
constexpr int kInferencesPerTurn = 12;
constexpr std::int64_t kQuietMs =
    20 * limits::kMinute;  // after the last rollout, in a healed world
constexpr std::int64_t kTimeLimitMs = 6 * limits::kHour;
constexpr std::int64_t kEngineDownMaxMs = 20'000;
constexpr std::int64_t kDeviceOffMaxMs = 60'000;

/// How often what goes wrong, drawn once per run.
struct Weather {
  std::uint64_t loss_permille = 0, double_permille = 0;
  std::int64_t delay_max_ms = 0;
  std::int64_t engine_crash_every_ms = 0, device_crash_every_ms = 0, link_cut_every_ms = 0,
               broker_restart_every_ms = 0;
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
    if (options.faults) broker_.SetFaultPolicy([this](const Hop&) { return DrawFate(); });
    const int count =
        options.devices > 0 ? options.devices : 55 + static_cast<int>(random_.Below(36));
    for (int i = 0; i < count; ++i) AddDevice(i);
  }

  SimOutcome Run() {
    StartEngine();
    for (auto& device : devices_) PowerUp(*device);
    while (!IsOver()) Step();
    CheckEnd();
    return Outcome();
  }

 private:
  Operator::Releases MakeReleases() {
    const Bytes base = BuildArtifact(ModelTraits{}, 70'000 + random_.Below(60'000), random_);
    const Bytes next = FineTune(base, TraitsOf(flaw_), random_);
    first_ = Sha256(base);
    second_ = Sha256(next);
    invariants_.AddRelease("detector-v1", first_);
    invariants_.AddRelease("detector-v2", second_);
    return {{publisher_.Release("detector-v1", 1, base, 0.95, engine_.objects(), clock_.Wall()),
             publisher_.Release("detector-v2", 2, next, 0.95, engine_.objects(), clock_.Wall())}};
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
    const std::string id = setup.id;
    devices_.push_back(std::make_unique<SimDevice>(
        setup, clock_, broker_, publisher_.root(),
        SimRunner::Observer{[this, id](const Digest& loaded) { invariants_.OnLoad(id, loaded); },
                            [this, id](const Digest& serving, sdk::Purpose purpose) {
                              Trace("{} serves {}", id, serving.Short());
                              invariants_.OnServe(id, serving, purpose, clock_.now_ms());
                            }}));
  }

  // ---- one step: to the next moment at which something is due ----

  void Step() {
    ++steps_;
    clock_.MoveTo(std::max(clock_.now_ms(), NextMs()));
    const std::int64_t now = clock_.now_ms();
    broker_.DeliverUntil(now);
    for (auto& device : devices_) {
      if (device->is_on() && device->NextWorkMs() <= now) device->Work();
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
    invariants_.AfterCommit(engine_.engine(), clock_.now_ms());
    const std::string story = operator_.Story(engine_.engine());
    if (story != story_) Trace("{}", story_ = story);
  }

  // ---- what goes wrong ----

  [[nodiscard]] bool FaultsAreOn() const { return options_.faults && !operator_.is_done(); }

  Fate DrawFate() {
    if (!FaultsAreOn()) return {};
    Fate fate;
    if (random_.Below(1'000) < weather_.loss_permille) fate.copies = 0;
    if (random_.Below(1'000) < weather_.double_permille) fate.copies = 2;
    fate.delay_ms = static_cast<std::int64_t>(
        random_.Below(static_cast<std::uint64_t>(weather_.delay_max_ms) + 1));
    return fate;
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
      CutPower(random_.Below(devices_.size()));
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

  void CutPower(std::size_t index) {
    if (!devices_[index]->is_on()) return;
    ++device_crashes_;
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
      invariants_.Violated("the engine does not start: " + started.error().Line());
      broken_ = true;
      return;
    }
    invariants_.AfterRestart(engine_.engine());
  }

  void PowerUp(SimDevice& device) {
    if (const Status up = device.PowerUp(); !up) {
      invariants_.Violated(device.id() + " does not start: " + up.error().Line());
      broken_ = true;
    }
  }

  // ---- the end ----

  [[nodiscard]] bool IsOver() {
    if (broken_ || invariants_.violations().size() > 20) return true;
    if (operator_.is_done() && quiet_since_ms_ < 0) quiet_since_ms_ = clock_.now_ms();
    if (quiet_since_ms_ >= 0) return clock_.now_ms() - quiet_since_ms_ >= kQuietMs;
    if (clock_.now_ms() <= kTimeLimitMs) return false;
    invariants_.Violated(
        fmt::format("after {} virtual hours: {}", kTimeLimitMs / limits::kHour, story_));
    return true;
  }

  void CheckEnd() {
    if (broken_ || !operator_.is_done() || !engine_.is_up()) return;
    const RolloutStatus second = operator_.StatusOf(engine_.engine(), 1);
    const RolloutStatus first = operator_.StatusOf(engine_.engine(), 0);
    if (flaw_ != Flaw::kNone && second == RolloutStatus::kCompleted) {
      invariants_.Violated(fmt::format("a release that is {} was completed", FlawName(flaw_)));
    }
    for (const auto& device : devices_) {
      const Digest loaded = device->Inspect().loaded;
      const Device* known = engine_.engine().devices().Find(device->id());
      if (known == nullptr || known->active_artifact != loaded) {
        invariants_.Violated(
            fmt::format("{} runs {}, the engine believes {}", device->id(), loaded.Short(),
                        known == nullptr ? "nothing" : known->active_artifact.Short()));
      }
      if (second == RolloutStatus::kCompleted && loaded != second_) {
        invariants_.Violated(fmt::format("{} does not run the completed release but {}",
                                         device->id(), loaded.Short()));
      }
      if (second == RolloutStatus::kRolledBack && loaded == second_) {
        invariants_.Violated(device->id() + " still runs what was rolled back");
      }
      if (first == RolloutStatus::kCompleted && loaded.IsZero()) {
        invariants_.Violated(device->id() + " serves nothing although a release is complete");
      }
    }
  }

  SimOutcome Outcome() {
    SimOutcome outcome;
    outcome.violations = invariants_.violations();
    outcome.flaw = flaw_;
    if (engine_.is_up()) {
      outcome.first = operator_.StatusOf(engine_.engine(), 0);
      outcome.second = operator_.StatusOf(engine_.engine(), 1);
      outcome.why = operator_.WhyOf(engine_.engine(), 1);
    }
    outcome.devices = static_cast<int>(devices_.size());
    outcome.engine_crashes = engine_crashes_;
    outcome.device_crashes = device_crashes_;
    outcome.steps = steps_;
    outcome.virtual_ms = clock_.now_ms();
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
  Invariants invariants_;
  MemoryBroker broker_;
  SimPublisher publisher_;
  SimEngine engine_;
  Digest first_, second_;
  Operator operator_;
  std::vector<std::unique_ptr<SimDevice>> devices_;

  std::int64_t next_inference_ms_ = 0, next_operation_ms_ = 0, last_faults_ms_ = 0;
  std::int64_t engine_back_ms_ = INT64_MAX, quiet_since_ms_ = -1;
  std::map<std::size_t, std::int64_t> power_back_ms_;
  std::map<std::string, std::int64_t> link_back_ms_;
  bool broken_ = false;
  std::string story_;
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
