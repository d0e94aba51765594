#include "rollout_engine/engine/rollout_log.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "rollout_engine/config/rollout_yaml.h"
#include "rollout_engine/engine/event_codec.h"
#include "rollout_engine/engine/keys.h"
#include "rollout_engine/engine/limits.h"
#include "rollout_engine/engine/stored_json.h"

namespace sluice {
namespace {

constexpr std::size_t kIdDigits = 4;  // of r-NNNN, at least

struct CreationRecord {
  std::string model;
  std::string file;
  std::int64_t created_ms = 0;
};

CreationRecord CreationFrom(const Json& json) {
  return {json.at("model"), json.at("file"), json.at("created")};
}

Json ToJson(const RolloutNote& note) {
  return {{"seq", note.seq},   {"type", note.type},   {"by", note.by},
          {"via", note.via},   {"op_id", note.op_id}, {"ok", note.ok},
          {"code", note.code}, {"why", note.why},     {"ts", note.ts_ms}};
}
RolloutNote NoteFrom(const Json& json) {
  return {json.at("seq"), json.at("type"), json.at("by"),  json.at("via"), json.at("op_id"),
          json.at("ok"),  json.at("code"), json.at("why"), json.at("ts")};
}

/// The number that ends the last key below `prefix`, 0 = none.
Result<std::uint64_t> LastNumberBelow(const Store& store, const std::string& prefix) {
  std::uint64_t last = 0;
  SLUICE_TRY(store.Scan(prefix, [&](std::string_view key, ByteView) {
    last = store_key::ParseNumber(key.substr(prefix.size())).value_or(last);
    return true;
  }));
  return last;
}

}  // namespace

bool IsOpen(RolloutStatus status) noexcept {
  switch (status) {
    case RolloutStatus::kRunning:
    case RolloutStatus::kHolding:
    case RolloutStatus::kPaused:
    case RolloutStatus::kAwaitingApproval:
    case RolloutStatus::kRollingBack:
      return true;
    case RolloutStatus::kScheduled:
    case RolloutStatus::kRolledBack:
    case RolloutStatus::kAborted:
    case RolloutStatus::kCompleted:
      return false;
  }
  return false;
}

Status RolloutLog::Load(const Store& store) {
  Status status;
  const std::string prefix = store_key::Below(store_key::kRollout);
  SLUICE_TRY(store.Scan(prefix, [&](std::string_view key, ByteView value) {
    const auto record = ReadStoredJson(key, value, CreationFrom);
    if (!record) {
      status = Fail(record.error());
      return false;
    }
    auto spec = ParseRolloutYaml(record->file);
    if (!spec) {
      status = StoredJsonError(key, spec.error().Line());
      return false;
    }
    const std::string id(key.substr(prefix.size()));
    entries_[id] = RolloutEntry{.rollout = CreateRollout(id, std::move(*spec)),
                                .model = record->model,
                                .created_ms = record->created_ms,
                                .rev = 1};
    return true;
  }));
  SLUICE_TRY(std::move(status));
  for (auto& [id, entry] : entries_) {
    SLUICE_TRY(Replay(store, entry));
    SLUICE_ASSIGN(entry.notes, LastNumberBelow(store, store_key::Below(store_key::kNote, {id})));
  }
  return {};
}

Status RolloutLog::Replay(const Store& store, RolloutEntry& entry) {
  Status status;
  SLUICE_TRY(store.Scan(store_key::Below(store_key::kEvent, {entry.rollout.id}),
                        [&](std::string_view key, ByteView value) {
                          const auto event = DecodeEvent(key, value);
                          if (!event) {
                            status = Fail(event.error());
                            return false;
                          }
                          const RolloutStatus status_before = entry.rollout.status;
                          const std::int32_t stage_before = CurrentStage(entry.rollout);
                          const auto effects = Step(entry.rollout, *event);
                          if (!effects) {
                            status =
                                StoredJsonError(key, "does not replay: " + effects.error().Line());
                            return false;
                          }
                          Note(entry, *event, status_before, stage_before);
                          return true;
                        }));
  return status;
}

const RolloutEntry* RolloutLog::Find(const std::string& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

RolloutEntry* RolloutLog::FindMutable(const std::string& id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

std::string RolloutLog::NextId() const {
  for (std::size_t number = entries_.size() + 1;; ++number) {
    const std::string digits = std::to_string(number);
    std::string id =
        "r-" + std::string(digits.size() < kIdDigits ? kIdDigits - digits.size() : 0, '0') + digits;
    if (!entries_.contains(id)) return id;
  }
}

Result<RolloutEntry*> RolloutLog::Create(const std::string& id, const std::string& model,
                                         RolloutSpec spec, Turn& turn) {
  SLUICE_CHECK(!entries_.contains(id));
  const std::string file = PrintRolloutYaml(spec);
  const Json record = {{"model", model}, {"file", file}, {"created", turn.wall.ms}};
  turn.batch.Put(store_key::Join(store_key::kRollout, {id}), DumpJson(record));
  turn.must_sync = true;
  RolloutEntry& entry = entries_[id];
  entry = RolloutEntry{.rollout = CreateRollout(id, std::move(spec)),
                       .model = model,
                       .created_ms = turn.wall.ms,
                       .rev = 1};
  return &entry;
}

Result<std::vector<Effect>> RolloutLog::Apply(RolloutEntry& entry, EventBody body, Turn& turn) {
  if (LegalityOf(entry.rollout.status, body.index()) == Legality::kIgnored)
    return std::vector<Effect>();
  const Event event{.now = turn.now, .wall = turn.wall, .body = std::move(body)};
  const RolloutStatus status_before = entry.rollout.status;
  const std::int32_t stage_before = CurrentStage(entry.rollout);
  SLUICE_ASSIGN(std::vector<Effect> effects, Step(entry.rollout, event));
  turn.batch.Put(
      store_key::Join(store_key::kEvent, {entry.rollout.id, store_key::Number(entry.events)}),
      EncodeEvent(event));
  turn.must_sync = true;
  Note(entry, event, status_before, stage_before);
  return effects;
}

void RolloutLog::Note(RolloutEntry& entry, const Event& event, RolloutStatus status_before,
                      std::int32_t stage_before) {
  ++entry.events;
  newest_event_ = std::max(newest_event_, event.now);
  const RolloutStatus status = entry.rollout.status;
  if (status == status_before && CurrentStage(entry.rollout) == stage_before) return;
  ++entry.rev;
  if (status_before == RolloutStatus::kScheduled) entry.started_ms = event.wall.ms;
  // A completed rollout that is rolled back is open again, and one may be aborted before its start.
  const bool ended = !IsOpen(status) && status != RolloutStatus::kScheduled;
  entry.ended_ms = ended ? event.wall.ms : 0;
}

void RolloutLog::AddNote(RolloutEntry& entry, RolloutNote note, Turn& turn) {
  note.seq = ++entry.notes;
  note.ts_ms = turn.wall.ms;
  const std::string text = DumpJson(ToJson(note));
  turn.batch.Put(store_key::Join(store_key::kNote, {entry.rollout.id, store_key::Number(note.seq)}),
                 text);
  turn.must_sync = true;
  turn.PublishText("sluice/v1/rollout/" + entry.rollout.id + "/event", text, false);
}

Result<std::vector<RolloutNote>> RolloutLog::Notes(const Store& store, const std::string& id,
                                                   std::optional<std::uint64_t> after,
                                                   std::size_t limit) {
  std::vector<RolloutNote> notes;
  Status status;
  SLUICE_TRY(store.Scan(store_key::Below(store_key::kNote, {id}),
                        [&](std::string_view key, ByteView value) {
                          auto note = ReadStoredJson(key, value, NoteFrom);
                          if (!note) {
                            status = Fail(std::move(note).error());
                            return false;
                          }
                          if (!after || note->seq > *after) notes.push_back(std::move(*note));
                          return notes.size() < limit;
                        }));
  SLUICE_TRY(std::move(status));
  return notes;
}

std::string RolloutLog::DecisionKey(const std::string& id, const LookNumber& number) {
  const auto digits = [](std::int32_t value) {
    return store_key::Number(static_cast<std::uint64_t>(value));
  };
  return store_key::Join(store_key::kDecision,
                         {id, digits(number.stage), digits(number.look), digits(number.variant)});
}

void RolloutLog::AddDecision(const std::string& id, const LookNumber& number,
                             std::string_view record, Turn& turn) {
  turn.batch.Put(DecisionKey(id, number), record);
  if (number.look > limits::kLooksKeptPerStage) {
    LookNumber oldest = number;
    oldest.look -= limits::kLooksKeptPerStage;
    turn.batch.Delete(DecisionKey(id, oldest));
  }
  turn.must_sync = true;
}

const RolloutEntry* RolloutLog::Covering(const std::string& device) const {
  for (const auto& [id, entry] : entries_) {
    if (IsOpen(entry.rollout.status) && entry.rollout.members.contains(device)) return &entry;
  }
  return nullptr;
}

RolloutEntry* RolloutLog::Covering(const std::string& device) {
  return const_cast<RolloutEntry*>(std::as_const(*this).Covering(device));
}

const RolloutEntry* RolloutLog::Baseline(
    const std::string& model, const std::string& hardware,
    const std::function<bool(const RolloutSpec&)>& selects) const {
  const RolloutEntry* newest = nullptr;
  for (const auto& [id, entry] : entries_) {
    const Rollout& rollout = entry.rollout;
    if (entry.model != model || rollout.status != RolloutStatus::kCompleted) continue;
    const auto variant = static_cast<std::size_t>(FinalVariant(rollout).value_or(0));
    if (!rollout.variants[variant].release_ids.contains(hardware) ||
        rollout.excluded_hardware.contains(hardware))
      continue;
    if (!selects(rollout.spec)) continue;
    if (!newest || entry.ended_ms >= newest->ended_ms) newest = &entry;
  }
  return newest;
}

std::vector<OrderEntry> RolloutLog::Order(WallMs now) const {
  std::vector<const RolloutEntry*> listed;
  for (const auto& [id, entry] : entries_) {
    const bool kept = entry.ended_ms == 0 || now.ms - entry.ended_ms <= limits::kClosedOrderKept;
    if (!entry.rollout.order.empty() && kept) listed.push_back(&entry);
  }
  // What is open must be listed; of what is closed, the newest.
  std::stable_sort(listed.begin(), listed.end(), [](const RolloutEntry* a, const RolloutEntry* b) {
    const auto age = [](const RolloutEntry* e) {
      return e->ended_ms == 0 ? INT64_MAX : e->ended_ms;
    };
    return age(a) > age(b);
  });
  std::vector<OrderEntry> order;
  for (const RolloutEntry* entry : listed) {
    if (order.size() + entry->rollout.order.size() > limits::kOrderEntriesMax) break;
    order.insert(order.end(), entry->rollout.order.begin(), entry->rollout.order.end());
  }
  // In an order of their own, so that the same entries are the same Order.
  std::stable_sort(order.begin(), order.end(),
                   [](const OrderEntry& a, const OrderEntry& b) { return a.rollout < b.rollout; });
  return order;
}

std::optional<BootMs> RolloutLog::NextTimer() const {
  std::optional<BootMs> next;
  for (const auto& [id, entry] : entries_) {
    for (const std::optional<BootMs>& timer : entry.rollout.timers) {
      if (timer && (!next || *timer < *next)) next = timer;
    }
  }
  return next;
}

}  // namespace sluice
