#include "rollout_engine/engine/operations.h"

#include <algorithm>

#include "common/contract/topics.h"
#include "common/crypto/digest.h"
#include "rollout_engine/engine/keys.h"
#include "rollout_engine/engine/limits.h"
#include "rollout_engine/engine/stored_json.h"

namespace sluice {
namespace {

Json ToJson(const Operation& operation) {
  Json json = {{"subject", SubjectName(operation.subject)},
               {"object", operation.object},
               {"op", operation.op},
               {"arguments", operation.arguments},
               {"by", operation.by},
               {"via", operation.via},
               {"reason", operation.reason}};
  if (operation.expect_rev) json["expect_rev"] = *operation.expect_rev;
  return json;
}

Json ToJson(const Outcome& outcome) {
  return {{"code", CodeName(outcome.code)},
          {"message", outcome.message},
          {"object", outcome.object},
          {"rev", outcome.rev},
          {"event_seq", outcome.event_seq}};
}

Outcome OutcomeFrom(const Json& json, std::string id) {
  return {.id = std::move(id),
          .code = CodeFromName(json.at("code").get<std::string>()).value_or(ErrorCode::kInternal),
          .message = json.at("message"),
          .object = json.at("object"),
          .rev = json.at("rev"),
          .event_seq = json.at("event_seq")};
}

Digest BodyOf(const Operation& operation) { return Sha256(AsBytes(DumpJson(ToJson(operation)))); }

}  // namespace

std::string_view SubjectName(Subject subject) noexcept {
  switch (subject) {
    case Subject::kRollout:
      return "rollout";
    case Subject::kDevice:
      return "device";
    case Subject::kEngine:
      return "engine";
  }
  return "";
}

Status CheckOperation(const Operation& operation) {
  if (!IsTopicLevel(operation.id) || operation.id.size() < limits::kOperationIdMin) {
    return Fail(ErrorCode::kBadId, "operation id '" +
                                       operation.id.substr(0, limits::kOperationIdMax) +
                                       "': allowed [A-Za-z0-9_-]{8,64}");
  }
  if (operation.by.size() > limits::kOperationByMax ||
      operation.reason.size() > limits::kOperationReasonMax) {
    return Fail(ErrorCode::kUsage, "`by` has " + std::to_string(operation.by.size()) +
                                       " and `reason` " + std::to_string(operation.reason.size()) +
                                       " characters; allowed " +
                                       std::to_string(limits::kOperationByMax) + " and " +
                                       std::to_string(limits::kOperationReasonMax));
  }
  return {};
}

Status OperationBook::Load(const Store& store) {
  Status status;
  const std::string prefix = store_key::Below(store_key::kOperation);
  SLUICE_TRY(store.Scan(prefix, [&](std::string_view key, ByteView value) {
    const std::string id(key.substr(prefix.size()));
    auto entry = ReadStoredJson(key, value, [&id](const Json& json) {
      return Entry{.body = DigestFromHex(json.at("body").get<std::string>()).value_or(Digest{}),
                   .outcome = OutcomeFrom(json.at("outcome"), id),
                   .at_ms = json.at("at")};
    });
    if (!entry) {
      status = Fail(std::move(entry).error());
      return false;
    }
    by_age_.emplace_back(entry->at_ms, id);
    entries_[id] = std::move(*entry);
    return true;
  }));
  std::sort(by_age_.begin(), by_age_.end());
  return status;
}

Result<std::optional<Outcome>> OperationBook::FindOutcome(const Operation& operation) const {
  const auto found = entries_.find(operation.id);
  if (found == entries_.end()) return std::optional<Outcome>();
  if (found->second.body != BodyOf(operation)) {
    return Fail(ErrorCode::kIdReused,
                "operation id " + operation.id + " was used for another operation; take a new id");
  }
  return std::optional(found->second.outcome);
}

void OperationBook::Remember(const Operation& operation, const Outcome& outcome, Turn& turn) {
  const Digest body = BodyOf(operation);
  entries_[operation.id] = {body, outcome, turn.wall.ms};
  by_age_.emplace_back(turn.wall.ms, operation.id);
  const Json record = {{"at", turn.wall.ms},
                       {"body", body.Hex()},
                       {"operation", ToJson(operation)},
                       {"outcome", ToJson(outcome)}};
  turn.batch.Put(store_key::Join(store_key::kOperation, {operation.id}), DumpJson(record));
  turn.must_sync = true;
  while (!by_age_.empty() && (by_age_.size() > limits::kOperationsMax ||
                              turn.wall.ms - by_age_.front().first > limits::kOperationKept)) {
    turn.batch.Delete(store_key::Join(store_key::kOperation, {by_age_.front().second}));
    entries_.erase(by_age_.front().second);
    by_age_.pop_front();
  }
}

}  // namespace sluice
