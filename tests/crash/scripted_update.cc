#include "tests/crash/scripted_update.h"

#include <unistd.h>

namespace sluice::crash {
namespace {

using device::OutboxEntry;
using device::Phase;
using device::SlotId;
using device::SlotRecord;
using device::SlotStore;
using device::StateRecord;
using test_support::SlotModel;

Status Require(bool condition, const char* what) {
  if (condition) return {};
  return Fail(ErrorCode::kInternal, what);
}

Bytes DirectiveFor(std::uint64_t seq) { return test_support::SeededBytes(70 + seq, 600); }
Bytes ReportFor(std::uint64_t directive_seq, bool terminal) {
  return test_support::SeededBytes(2 * directive_seq + (terminal ? 1 : 0), 500);
}

bool SameButGen(StateRecord one, const StateRecord& other) {
  one.gen = other.gen;
  return one == other;
}

Result<Digest> HashOf(const SlotStore& store, SlotId slot) {
  SLUICE_ASSIGN(const device::OpenSlot opened, store.OpenAndHash(slot));
  close(opened.fd);
  return opened.sha256;
}

Status NoteRecord(const SlotStore& store, Promises& promises) {
  SLUICE_TRY(Require(store.record().gen >= promises.record.gen, "I4: gen went back"));
  promises.record = store.record();
  promises.attempted.reset();
  return {};
}

Status Persist(SlotStore& store, Promises& promises, StateRecord record) {
  promises.attempted = record;
  SLUICE_TRY(store.WriteRecord(std::move(record)));
  return NoteRecord(store, promises);
}

/// What every start of an agent does first: from then on the record that it found is durable.
Status CountBoot(SlotStore& store, Promises& promises) {
  promises.record = store.record();
  StateRecord record = store.record();
  record.boot += 1;
  return Persist(store, promises, std::move(record));
}

/// A slot that may be loaded: what is in it must be what the record says.
bool MayBeLoaded(const SlotRecord& slot) {
  return slot.state == SlotState::kReady || slot.state == SlotState::kGood;
}

Status CheckSlot(const SlotStore& store, SlotId id) {
  const SlotRecord& slot = store.record().slots[id];
  const Result<Digest> digest = HashOf(store, id);
  SLUICE_TRY(Require(digest.has_value(), "I1: a slot that may be loaded does not open"));
  SLUICE_TRY(Require(*digest == slot.artifact, "I1: a slot's bytes are not what the record names"));
  const Result<Bytes> manifest = store.ReadManifest(id);
  SLUICE_TRY(Require(manifest.has_value(), "I1: a slot that may be loaded has no manifest"));
  return Require(Sha256(*manifest) == slot.manifest, "I1: a slot's manifest is another one");
}

}  // namespace

/// One update, one step at a time: whatever a step leaves behind, the record says which one is
/// next.
class ScriptedUpdate::Update {
 public:
  Update(SlotStore& store, Promises& promises, std::uint64_t seq, const Target& target)
      : store_(store), promises_(promises), seq_(seq), target_(target), model_(target.model) {}

  Status Run() {
    if (store_.record().directive.seq > seq_) return {};
    if (store_.record().directive.seq < seq_) SLUICE_TRY(TakeDirective());
    while (!IsSettled()) SLUICE_TRY(TakeStep());
    if (target_.healthy) {
      const SlotRecord& slot = store_.record().slots[*store_.record().active];
      SLUICE_TRY(store_.StampConfirmed(*store_.record().active, slot.manifest, slot.artifact));
    }
    return Push(true);
  }

 private:
  [[nodiscard]] bool IsSettled() const {
    const StateRecord& record = store_.record();
    if (target_.healthy) {
      const SlotRecord& active = record.slots[*record.active];
      return active.artifact == model_.slot.artifact && active.state == SlotState::kGood;
    }
    return record.phase == Phase::kReverted &&
           record.slots[Standby()].artifact == model_.slot.artifact &&
           record.slots[Standby()].state == SlotState::kBad;
  }
  [[nodiscard]] SlotId Standby() const { return static_cast<SlotId>(1 - *store_.record().active); }

  Status TakeStep() {
    const StateRecord& record = store_.record();
    if (record.phase == Phase::kTrial) return target_.healthy ? Confirm() : Revert();
    const SlotRecord& slot = record.slots[Standby()];
    if (slot.artifact != model_.slot.artifact || slot.state == SlotState::kGood) return Prepare();
    if (slot.state == SlotState::kReady) return SwitchToTrial();
    if (record.work.state == UpdateState::kDownloading) return WriteBlocks();
    return FinishAndVerify();
  }

  Status Persist(StateRecord record) {
    return crash::Persist(store_, promises_, std::move(record));
  }

  Status TakeDirective() {
    // The reports on the directive before this one are covered by an answer.
    promises_.reports.clear();
    SLUICE_TRY(store_.DropReportsThrough(store_.LastReportSeq()));
    const Bytes envelope = DirectiveFor(seq_);
    SLUICE_TRY(store_.WriteDirective(envelope));
    StateRecord record = store_.record();
    record.directive = {1, seq_};
    record.directive_digest = Sha256(envelope);
    return Persist(std::move(record));
  }

  Status Prepare() {
    const SlotId standby = Standby();
    SLUICE_TRY(store_.CheckSpace(standby, model_.artifact.size()));
    StateRecord record = store_.record();
    record.slots[standby] = model_.slot;
    record.slots[standby].state = SlotState::kWriting;
    record.fallback.reset();
    record.phase = Phase::kStable;
    record.work.state = UpdateState::kDownloading;
    promises_.blocks_done = 0;
    SLUICE_TRY(Persist(std::move(record)));
    return Push(false);
  }

  Status WriteBlocks() {
    const SlotId standby = Standby();
    SLUICE_TRY(store_.ClearConfirmed(standby));
    SLUICE_ASSIGN(device::SlotProgress progress,
                  store_.ReserveSlot(standby, model_.artifact.size(), model_.head_digest,
                                     SlotModel::kBlockBytes));
    SLUICE_TRY(NoteRecord(store_, promises_));
    SLUICE_TRY(Require(progress.blocks_done >= promises_.blocks_done,
                       "resume: a block that was written durably is done again"));
    SLUICE_TRY(CheckPart(standby, progress.blocks_done));
    while (progress.blocks_done < model_.BlockCount()) {
      const std::uint32_t index = progress.blocks_done;
      progress.blocks_done += 1;
      SLUICE_TRY(store_.WriteBlock(standby, std::uint64_t{index} * SlotModel::kBlockBytes,
                                   model_.Block(index), progress));
      promises_.blocks_done = progress.blocks_done;
    }
    StateRecord record = store_.record();
    record.work.state = UpdateState::kVerifying;
    return Persist(std::move(record));
  }

  Status CheckPart(SlotId standby, std::uint32_t blocks_done) {
    SLUICE_ASSIGN(const std::unique_ptr<ByteSource> part, store_.OpenPart(standby));
    for (std::uint32_t i = 0; i < blocks_done; ++i) {
      Bytes bytes(model_.Block(i).size());
      SLUICE_TRY(part->ReadAt(std::uint64_t{i} * SlotModel::kBlockBytes, bytes));
      SLUICE_TRY(Require(std::ranges::equal(bytes, model_.Block(i)),
                         "resume: a block counts as done and is not in the part"));
    }
    return {};
  }

  Status FinishAndVerify() {
    const SlotId standby = Standby();
    SLUICE_TRY(store_.FinishSlot(standby, model_.manifest));
    SLUICE_ASSIGN(const Digest digest, HashOf(store_, standby));
    SLUICE_TRY(Require(digest == model_.slot.artifact, "I7: the finished slot is not the model"));
    StateRecord record = store_.record();
    record.slots[standby].state = SlotState::kReady;
    record.work.state = UpdateState::kReady;
    return Persist(std::move(record));
  }

  Status SwitchToTrial() {
    StateRecord record = store_.record();
    record.fallback = record.active;
    record.active = Standby();
    record.phase = Phase::kTrial;
    record.starts_left = 3;
    record.activation += 1;
    return Persist(std::move(record));
  }

  Status Confirm() {
    StateRecord record = store_.record();
    record.slots[*record.active].state = SlotState::kGood;
    record.phase = Phase::kStable;
    record.floor_epoch += 1;
    record.work.state = UpdateState::kIdle;
    return Persist(std::move(record));
  }

  Status Revert() {
    StateRecord record = store_.record();
    SlotRecord& bad = record.slots[*record.active];
    bad.state = SlotState::kBad;
    bad.reason = "E_HEALTH";
    record.bad_artifacts.push_back(bad.artifact);
    record.active = record.fallback;
    record.fallback.reset();
    record.phase = Phase::kReverted;
    record.work.state = UpdateState::kIdle;
    return Persist(std::move(record));
  }

  Status Push(bool terminal) {
    const Bytes report = ReportFor(seq_, terminal);
    for (const OutboxEntry& pending : store_.PendingReports()) {
      if (pending.report == report) return {};
    }
    const OutboxEntry entry{store_.LastReportSeq() + 1, terminal, report};
    SLUICE_TRY(Require(entry.seq > promises_.last_report_seq, "a report number is used twice"));
    SLUICE_TRY(store_.PushReport(entry));
    promises_.reports.push_back(entry);
    promises_.last_report_seq = entry.seq;
    return {};
  }

  SlotStore& store_;
  Promises& promises_;
  std::uint64_t seq_;
  const Target& target_;
  const SlotModel& model_;
};

ScriptedUpdate::ScriptedUpdate() : first_(test_support::MakeSlotModel(1)) {
  targets_.push_back(
      {test_support::MakeSlotModel(2, std::size_t{2} * SlotModel::kBlockBytes + 7), true});
  targets_.push_back(
      {test_support::MakeSlotModel(3, std::size_t{3} * SlotModel::kBlockBytes), false});
}

Status ScriptedUpdate::Run(SlotStore& store, Promises& promises) const {
  SLUICE_TRY(CountBoot(store, promises));
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    SLUICE_TRY(Update(store, promises, i + 1, targets_[i]).Run());
  }
  return {};
}

bool ScriptedUpdate::WasConfirmed(const Digest& artifact) const {
  return artifact == first_.slot.artifact || artifact == targets_[0].model.slot.artifact;
}

Status ScriptedUpdate::CheckEnd(const SlotStore& store) const {
  const StateRecord& record = store.record();
  const SlotRecord& active = record.slots[1];
  SLUICE_TRY(Require(record.active == SlotId{1}, "end: slot b does not serve"));
  SLUICE_TRY(Require(
      active.artifact == targets_[0].model.slot.artifact && active.state == SlotState::kGood,
      "end: slot b is not the confirmed model"));
  SLUICE_TRY(Require(record.slots[0].artifact == targets_[1].model.slot.artifact &&
                         record.slots[0].state == SlotState::kBad,
                     "end: slot a is not BAD"));
  return Require(record.phase == Phase::kReverted, "end: the phase is not REVERTED");
}

Status CheckInvariants(const SlotStore& store, const Promises& promises) {
  const StateRecord& record = store.record();
  SLUICE_TRY(Require(record.gen >= promises.record.gen, "I4: gen went back"));
  const bool is_newest = SameButGen(record, promises.record);
  const bool is_attempted = promises.attempted && SameButGen(record, *promises.attempted);
  SLUICE_TRY(Require(is_newest || is_attempted, "I3: the record is neither the old nor the new"));

  int good = 0;
  const auto slot_count = static_cast<SlotId>(store.slot_count());
  for (SlotId id = 0; id < slot_count; ++id) {
    if (MayBeLoaded(record.slots[id])) SLUICE_TRY(CheckSlot(store, id));
    if (record.slots[id].state == SlotState::kGood) ++good;
  }
  SLUICE_TRY(Require(good > 0, "I2: no slot is GOOD"));
  SLUICE_TRY(Require(record.active && MayBeLoaded(record.slots[*record.active]),
                     "I2: the active slot may not be loaded"));
  SLUICE_TRY(Require(
      record.directive_digest.IsZero() || store.ReadDirective(record.directive_digest).has_value(),
      "the directive in force is gone"));

  SLUICE_TRY(
      Require(store.LastReportSeq() >= promises.last_report_seq, "the report number went back"));
  const std::vector<OutboxEntry> pending = store.PendingReports();
  for (const OutboxEntry& promised : promises.reports) {
    const bool there = std::ranges::any_of(pending, [&](const OutboxEntry& entry) {
      return entry.seq == promised.seq && entry.terminal == promised.terminal &&
             entry.report == promised.report;
    });
    SLUICE_TRY(Require(there, "a report was lost"));
  }
  return {};
}

}  // namespace sluice::crash
