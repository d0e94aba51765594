// Operations: the one way in which people and programs change something, and what came of each.
//
// The id makes an operation idempotent for 7 days: the same id and body give the stored outcome and
// no second effect.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "rollout_engine/engine/turn.h"

namespace sluice {

/// What an operation is about.
enum class Subject : std::uint8_t { kRollout, kDevice, kEngine };
std::string_view SubjectName(Subject subject) noexcept;

/// rollout: create (argument `file`), start, pause, resume, promote (argument `to`, a later stage,
/// optional), approve, abort, roll_back. device: quarantine, lift. engine: accept_clock,
/// reload_rules.
struct Operation {
  std::string id;  // 8..64 of [A-Za-z0-9_-]
  Subject subject = Subject::kRollout;
  std::string
      object;  // id of the rollout or device; of a rollout to create, "" = the next free one
  std::string op;
  std::map<std::string, std::string> arguments;
  std::string by;   // a label, not a proof
  std::string via;  // "http", "rule", ...
  std::string reason;
  std::optional<std::uint64_t> expect_rev;
};

struct Outcome {
  std::string id;
  ErrorCode code = ErrorCode::kOk;
  std::string message;  // one line
  std::string object;   // what it was about, the id of a created rollout too
  std::uint64_t rev = 0;
  std::uint64_t event_seq = 0;  // of the object's own log, 0 = none

  [[nodiscard]] bool ok() const { return code == ErrorCode::kOk; }
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Lengths and characters: E_USAGE, E_BAD_ID.
Status CheckOperation(const Operation& operation);

/// The outcomes that are remembered.
class OperationBook {
 public:
  Status Load(const Store& store);
  /// The outcome of the same operation, nothing for a new one, E_ID_REUSED for another body under
  /// the same id.
  [[nodiscard]] Result<std::optional<Outcome>> FindOutcome(const Operation& operation) const;
  /// Also forgets what is older than 7 days or more than the book holds.
  void Remember(const Operation& operation, const Outcome& outcome, Turn& turn);

 private:
  struct Entry {
    Digest body;
    Outcome outcome;
    std::int64_t at_ms = 0;
  };
  std::map<std::string, Entry> entries_;
  std::deque<std::pair<std::int64_t, std::string>> by_age_;
};

}  // namespace sluice
