// What the rules have done lately: repeats of a trigger, `once_per`, actions a minute. Bounded; the
// oldest is forgotten first.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace sluice {

/// Digests that are remembered until a moment of their own.
class ExpiringSet {
 public:
  explicit ExpiringSet(std::size_t size_max) : size_max_(size_max) {}
  [[nodiscard]] bool Contains(const Digest& digest, BootMs now) const;
  void Add(const Digest& digest, BootMs now, std::int64_t kept_ms);
  [[nodiscard]] std::size_t size() const { return until_.size(); }

 private:
  std::size_t size_max_;
  std::map<Digest, BootMs> until_;
  std::set<std::pair<BootMs, Digest>> by_end_;
};

/// At most so many in any kRateWindow.
class RateLimit {
 public:
  explicit RateLimit(std::size_t count_max) : count_max_(count_max) {}
  [[nodiscard]] bool Allows(std::size_t count, BootMs now);
  void Note(std::size_t count, BootMs now) { times_.insert(times_.end(), count, now); }

 private:
  std::size_t count_max_;
  std::deque<BootMs> times_;
};

class FiringBook {
 public:
  FiringBook();

  ExpiringSet triggers;
  ExpiringSet once_per;

  /// Whether `rule` may do so many actions now: 6 a minute each, 60 in all. A dry run costs nobody
  /// else.
  bool MayAct(const std::string& rule, std::size_t actions, bool dry_run, BootMs now);
  void NoteActions(const std::string& rule, std::size_t actions, bool dry_run, BootMs now);
  /// Whether one more problem of `rule` is told; if so it is noted.
  bool MayTell(const std::string& rule, BootMs now);
  /// Forgets rules that are gone.
  void Keep(const std::set<std::string>& rules);

 private:
  struct PerRule {
    PerRule();
    RateLimit actions;
    RateLimit problems;
  };
  std::map<std::string, PerRule> rules_;
  RateLimit all_;
};

}  // namespace sluice
