#include "tests/bench/telemetry_cost.h"

#include <malloc.h>
#include <time.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "common/base/check.h"
#include "common/base/random.h"
#include "common/contract/codec.h"
#include "rollout_engine/core/judge.h"
#include "rollout_engine/engine/look_record.h"
#include "rollout_engine/engine/telemetry_book.h"
#include "rollout_engine/store/rocksdb_store.h"
#include "tests/support/temporary_directory.h"

namespace sluice::bench {
namespace {

using nlohmann::json;

constexpr std::size_t kMillion = 1'000'000;
constexpr std::size_t kQuickShare = 20;
constexpr std::size_t kIntakeDevices = 50'000;
constexpr int kIntakeRounds = 4;            // reports of each device
constexpr std::size_t kSaveEvery = 20'000;  // reports, as in a second at that rate
constexpr std::int64_t kHourMs = 3'600'000;
constexpr int kHistoryHours = 26;
constexpr std::uint64_t kOldRelease = 0x1122334455667788, kNewRelease = 0x99aabbccddeeff00;
constexpr int kLookRounds = 5;
constexpr int kHardware = 5;
constexpr std::size_t kTests = 54;  // nine in the fleet and in each hardware
constexpr std::size_t kChangedDevices = 1'000;
constexpr std::size_t kRecordedDevices = 20'000;
constexpr BootMs kActivated{(kHistoryHours + 1) * kHourMs};

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double HeapBytes() { return static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd); }

std::string IdOf(std::size_t index) {  // sixteen letters
  std::string digits = std::to_string(index);
  return "plant-7-" + std::string(8 - digits.size(), '0') + digits;
}

/// Inferences per hour. Some devices do far more than ten average ones: they are capped.
std::uint32_t RateOf(std::size_t index) {
  const auto rate = static_cast<std::uint32_t>(2'000 + index % 3'001);
  return index % 7'919 == 0 ? 20 * rate : rate;
}

Telemetry ReportOf(std::uint64_t release, std::uint32_t seq, std::uint32_t inferences) {
  Telemetry report;
  report.release_id = release;
  report.activation = release == kOldRelease ? 1 : 2;
  report.boot = 3;
  report.seq = seq;
  report.inferences = inferences;
  report.errors = inferences / 3'000;
  report.over_latency = inferences / 400;
  report.labelled = inferences / 200;
  report.correct_q8 = report.labelled * 230;
  report.rss_kb = 180'000;
  return report;
}

/// The alternative: structs in a map, written as JSON documents.
class JsonBook {
 public:
  void Accept(const std::string& device, const Telemetry& report, BootMs now) {
    DeviceTotals& totals = fleet_[device];
    if (const auto accepted = AcceptTelemetry(totals, report, now); accepted && *accepted)
      KeepMark(totals, limits::kDay, now);
    changed_.insert(device);
  }
  void Save(WriteBatch& batch) {
    for (const std::string& device : changed_)
      batch.Put("totals/" + device, ToJson(fleet_.at(device)).dump());
    changed_.clear();
  }
  [[nodiscard]] std::map<std::string, DeviceTotals>& fleet() { return fleet_; }

 private:
  static json ToJson(const Counters& c) {
    return {c.inferences, c.errors, c.over_latency, c.labelled, c.correct_q8, c.crashes};
  }
  static json ToJson(const DeviceTotals& totals) {
    json document = {{"last_heard", totals.last_heard.ms}, {"rss_kb", totals.rss_kb}};
    for (const TelemetrySegment& s : totals.segments)
      document["segments"].push_back({s.release_id, s.activation, s.boot, s.seq, ToJson(s.total)});
    for (const DeviceTotals::Mark& mark : totals.marks)
      document["marks"].push_back({mark.at.ms, mark.release_id, ToJson(mark.total)});
    return document;
  }

  std::map<std::string, DeviceTotals> fleet_;
  std::set<std::string> changed_;
};

class TelemetryBench {
 public:
  explicit TelemetryBench(bool quick)
      : devices_(quick ? kMillion / kQuickShare : kMillion),
        intake_devices_(quick ? kIntakeDevices / kQuickShare : kIntakeDevices) {}

  TelemetryCost Run() {
    MeasureIntake();
    MeasureMemory();
    MeasurePass();
    MeasureRecordedLook();
    return std::move(cost_);
  }

 private:
  void Row(const std::string& name, double value, const char* unit) {
    std::printf("%-64s %12.1f %s\n", name.c_str(), value, unit);
    std::fflush(stdout);
    cost_.rows.push_back({{"name", name}, {"value", value}, {"unit", unit}});
  }

  /// Encoded reports as they come from the broker, device after device.
  void EncodeReports() {
    reports_.clear();
    ids_.clear();
    for (std::size_t i = 0; i < intake_devices_; ++i) ids_.push_back(IdOf(i));
    for (int round = 1; round <= kIntakeRounds; ++round) {
      for (std::size_t i = 0; i < intake_devices_; ++i) {
        reports_.push_back(Encode(ReportOf(kOldRelease, static_cast<std::uint32_t>(round),
                                           static_cast<std::uint32_t>(round * 10'000 + i % 977))));
      }
    }
  }

  /// Reports per CPU second. `save` puts what changed into a batch.
  template <class Accept, class Save>
  double Take(Store& store, Accept accept, Save save) {
    const double before = CpuSeconds();
    for (std::size_t i = 0; i < reports_.size(); ++i) {
      const auto report = Decode<Telemetry>(reports_[i]);
      SLUICE_CHECK(report.has_value());
      const auto round = static_cast<std::int64_t>(i / intake_devices_);
      accept(ids_[i % intake_devices_], *report, BootMs{round * 300'000 + 1});
      if ((i + 1) % kSaveEvery != 0 && i + 1 != reports_.size()) continue;
      WriteBatch batch;
      save(batch);
      SLUICE_CHECK(store.Write(batch, true).has_value());
    }
    return static_cast<double>(reports_.size()) / (CpuSeconds() - before);
  }

  static std::unique_ptr<RocksdbStore> OpenStore(const std::string& path) {
    auto store = RocksdbStore::Open(path, RocksdbStore::Mode::kCreate);
    SLUICE_CHECK(store.has_value());
    return std::move(*store);
  }

  void MeasureIntake() {
    EncodeReports();
    const test_support::TemporaryDirectory directory;
    double ours = 0;
    {
      const auto store = OpenStore(directory.File("ours"));
      TelemetryBook book;
      ours = Take(
          *store,
          [&](const std::string& id, const Telemetry& report, BootMs now) {
            SLUICE_CHECK(book.Accept(id, report, limits::kDay, now).value_or(false));
          },
          [&](WriteBatch& batch) {
            Turn turn;
            book.Save(turn);
            batch = std::move(turn.batch);
          });
    }
    double theirs = 0;
    {
      const auto store = OpenStore(directory.File("theirs"));
      JsonBook book;
      theirs = Take(
          *store,
          [&](const std::string& id, const Telemetry& report, BootMs now) {
            book.Accept(id, report, now);
          },
          [&](WriteBatch& batch) { book.Save(batch); });
    }
    Row("intake: decode, count, store", ours, "reports per CPU second");
    Row("intake: map of structs stored as JSON (alternative)", theirs, "reports per CPU second");
    cost_.goals.push_back({.name = "telemetry intake, reports per CPU second",
                           .value = ours,
                           .goal = 20'000,
                           .bound = Bound::kAtLeast});
    CheckRestart(directory.File("ours"));
  }

  void CheckRestart(const std::string& path) {
    const auto store = OpenStore(path);
    TelemetryBook book;
    const double before = CpuSeconds();
    SLUICE_CHECK(book.Load(*store).has_value());
    const double took = CpuSeconds() - before;
    double lost = 0;
    for (std::size_t i = 0; i < intake_devices_; ++i) {
      const auto totals = book.fleet().Get(ids_[i]);
      const std::uint64_t wanted = kIntakeRounds * 10'000 + i % 977;
      if (!totals || TotalOf(*totals, kOldRelease).inferences != wanted) ++lost;
    }
    Row("restart: read back", static_cast<double>(intake_devices_) / took,
        "devices per CPU second");
    cost_.goals.push_back({.name = "devices whose totals a restart lost", .value = lost});
  }

  /// A day of hourly reports on the old release, a stage's window, a report on the new one.
  template <class Change>
  static void Live(std::size_t index, Change change) {
    const std::uint32_t rate = RateOf(index);
    for (int hour = 0; hour <= kHistoryHours; ++hour) {
      change([&](DeviceTotals& totals) {
        const BootMs now{hour * kHourMs};
        SLUICE_CHECK(AcceptTelemetry(totals,
                                     ReportOf(kOldRelease, static_cast<std::uint32_t>(hour) + 1,
                                              rate * static_cast<std::uint32_t>(hour)),
                                     now)
                         .has_value());
        KeepMark(totals, limits::kDay, now);
      });
    }
    change([&](DeviceTotals& totals) {
      const BootMs now{(kHistoryHours + 1) * kHourMs};
      TakeBaseline(totals, kOldRelease, limits::kDay, now);
      StartWindow(totals, kNewRelease, now);
      StartEpoch(totals, now + kHourMs);
      SLUICE_CHECK(
          AcceptTelemetry(totals, ReportOf(kNewRelease, 5, rate), now + 2 * kHourMs).has_value());
    });
  }

  void MeasureMemory() {
    const double per = static_cast<double>(devices_);
    const double before = HeapBytes();
    FleetTelemetry& fleet = fleet_;
    for (std::size_t i = 0; i < devices_; ++i) {
      const std::string id = IdOf(i);
      DeviceTotals totals;
      Live(i, [&](auto work) { work(totals); });
      fleet.Put(id, totals);
    }
    const double ours = (HeapBytes() - before) / per;
    Row("memory: packed records, ids and index", ours, "bytes per device");
    cost_.goals.push_back({.name = "memory per device, bytes", .value = ours, .goal = 300});

    const std::size_t sample = devices_ / kQuickShare;
    const double before_map = HeapBytes();
    std::map<std::string, DeviceTotals> map;
    for (std::size_t i = 0; i < sample; ++i)
      Live(i, [&, id = IdOf(i)](auto work) { work(map[id]); });
    Row("memory: map of structs (alternative)",
        (HeapBytes() - before_map) / static_cast<double>(sample), "bytes per device");

    const double start = CpuSeconds();
    std::uint64_t inferences = 0;
    fleet.ForEach([&](std::string_view, ByteView record) {
      inferences += WindowTotal(*UnpackTotals(record, TotalsPart::kWithoutMarks)).inferences;
    });
    SLUICE_CHECK(inferences > 0);
    Row("unpack every device", PerMillion(CpuSeconds() - start), "CPU ms per million");
  }

  /// A last stage in its soak: 2 % control, five hardware models, everybody else on the release.
  Rollout MakeRollout() const {
    RolloutSpec spec;
    spec.model_version = "detector-v2";
    StageSpec stage;
    stage.name = "general";
    stage.target = 98'000;
    stage.duration_ms = limits::kDay;
    stage.max_duration_ms = 3 * limits::kDay;
    stage.criteria.error_rate_max = 0.001;
    stage.criteria.latency_p99_max_ms = 50;
    stage.criteria.accuracy_drop_max = 0.02;
    spec.stages = {stage, stage};
    spec.stages.back().name = "rest";
    spec.stages.back().target = kAllMilliPercent;
    Started started;
    ReleaseIds& release_ids = started.release_ids.emplace_back();
    for (int i = 0; i < kHardware; ++i) release_ids["hw-" + std::to_string(i)] = kNewRelease;
    SeededRandom random(7);
    for (std::size_t i = 0; i < devices_; ++i) {
      started.eligible.push_back({.id = IdOf(i),
                                  .hardware = "hw-" + std::to_string(i % kHardware),
                                  .unit = random.Unit(),
                                  .has_model = true});
    }
    Rollout rollout = CreateRollout("r-1", std::move(spec));
    SLUICE_CHECK(Step(rollout, {.now = kActivated, .wall = {}, .body = std::move(started)}));
    for (auto& [id, member] : rollout.members) {
      if (member.stage == kNoStage) continue;
      member.state = DeviceState::kConfirmed;
      member.activated_at = kActivated;
    }
    return rollout;
  }

  /// From what every device has reported to the verdict, as the engine does it at each look.
  void MeasurePass() {
    const Rollout rollout = MakeRollout();
    const BootMs now = kActivated + 2 * kHourMs;
    LookRoster roster;
    double start = CpuSeconds();
    roster.Refresh(rollout, fleet_);
    Row("who is in the look, from nothing: once a stage", PerMillion(CpuSeconds() - start),
        "CPU ms per million");
    for (std::size_t i = 0; i < kChangedDevices; ++i) roster.NoteChanged(IdOf(i));
    start = CpuSeconds();
    roster.Refresh(rollout, fleet_);
    Row("who is in the look, after 1,000 devices reported", PerMillion(CpuSeconds() - start),
        "CPU ms per million");
    double best = INFINITY;
    for (int round = 0; round < kLookRounds; ++round) {
      start = CpuSeconds();
      roster.Refresh(rollout, fleet_);
      const RosterDevices devices(rollout, roster, fleet_, now);
      const JudgedLook judged = LookAndJudge(rollout, devices, now);
      best = std::min(best, CpuSeconds() - start);
      SLUICE_CHECK(judged.output.results.size() == kTests && judged.look.reachable > 0);
    }
    Row("a full pass: telemetry, look, 54 tests, verdict", PerMillion(best), "CPU ms per million");
    cost_.goals.push_back({.name = "a full pass over 1,000,000 devices, CPU ms",
                           .value = PerMillion(best),
                           .goal = 100});

    start = CpuSeconds();
    const Look listed = BuildLook(rollout, fleet_, now);
    const JudgeOutput output = JudgeLook(rollout, listed);
    Row("the same over a list of devices, made anew (alternative)",
        PerMillion(CpuSeconds() - start), "CPU ms per million");
    SLUICE_CHECK(output.results.size() == kTests);
    MeasureRecord(listed, output);
  }

  /// What the audit log takes beside the verdict: on some of the devices.
  void MeasureRecord(const Look& look, const JudgeOutput& output) {
    JudgeInput some = look.input;
    some.devices.resize(std::min(some.devices.size(), kRecordedDevices));
    const double start = CpuSeconds();
    const LookSummary summary = Summarise(some, output, 0, 0, 0);
    const std::string record = EncodeLookRecord("r-1", some, output, summary, false);
    SLUICE_CHECK(!record.empty());
    Row("a look's record: summary, suspects, digest of its input",
        (CpuSeconds() - start) * 1e3 * kMillion / static_cast<double>(some.devices.size()),
        "CPU ms per million");
  }

  /// The shape of a last stage: 2 % control, all three metrics, both windows, five hardware models.
  JudgeInput MakeLook() const {
    JudgeInput input;
    input.config.limits = {0.001, 0.01, 0.02};
    input.config.planned_looks = 288;
    input.config.epochs = 24;
    for (int i = 0; i < kHardware; ++i) input.config.strata.push_back("hw-" + std::to_string(i));
    input.look = 12;
    input.elapsed_s = 3'600;
    SeededRandom random(7);
    input.devices.reserve(devices_);
    for (std::size_t i = 0; i < devices_; ++i) {
      JudgedDevice device{.id = IdOf(i), .arm = i % 50 == 0 ? Arm::kControl : Arm::kTest};
      device.stratum = input.config.strata[i % kHardware];
      device.since_activation_s = 3'600;
      const auto n = static_cast<double>(1'000 + random.Below(9'000));
      const auto of = [&](double share) {
        return std::floor(n * share * (0.5 + 1e-3 * static_cast<double>(random.Below(1'000))));
      };
      device.cum = {{{n, of(0.0003)}, {n, of(0.002)}, {n / 100, n / 110}}};
      device.epoch = {{{n / 12, of(0.00002)}, {n / 12, of(0.0002)}, {n / 1'200, n / 1'320}}};
      device.pre = {{{n * 24, of(0.0072)}, {n * 24, of(0.048)}, {n / 4, n / 4.4}}};
      input.devices.push_back(std::move(device));
    }
    return input;
  }

  void MeasureRecordedLook() {
    const JudgeInput input = MakeLook();
    double best = INFINITY;
    for (int round = 0; round < kLookRounds; ++round) {
      const double before = CpuSeconds();
      const JudgeOutput output = Judge(input);
      SLUICE_CHECK(output.results.size() == kTests);
      best = std::min(best, CpuSeconds() - before);
    }
    Row("a recorded look, judged again", PerMillion(best), "CPU ms per million");
  }

  [[nodiscard]] double PerMillion(double cpu_s) const {
    return cpu_s * 1e3 * static_cast<double>(kMillion) / static_cast<double>(devices_);
  }

  const std::size_t devices_;
  const std::size_t intake_devices_;
  std::vector<std::string> ids_;
  std::vector<Bytes> reports_;
  FleetTelemetry fleet_;
  TelemetryCost cost_;
};

}  // namespace

TelemetryCost MeasureTelemetry(bool quick) { return TelemetryBench(quick).Run(); }

}  // namespace sluice::bench
