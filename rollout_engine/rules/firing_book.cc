#include "rollout_engine/rules/firing_book.h"

#include "rollout_engine/rules/limits.h"

namespace sluice {

bool ExpiringSet::Contains(const Digest& digest, BootMs now) const {
  const auto found = until_.find(digest);
  return found != until_.end() && now < found->second;
}

void ExpiringSet::Add(const Digest& digest, BootMs now, std::int64_t kept_ms) {
  if (const auto found = until_.find(digest); found != until_.end()) {
    by_end_.erase({found->second, digest});
    until_.erase(found);
  }
  until_.emplace(digest, now + kept_ms);
  by_end_.emplace(now + kept_ms, digest);
  while (until_.size() > size_max_ || by_end_.begin()->first <= now) {
    until_.erase(by_end_.begin()->second);
    by_end_.erase(by_end_.begin());
    if (by_end_.empty()) return;
  }
}

bool RateLimit::Allows(std::size_t count, BootMs now) {
  while (!times_.empty() && now - times_.front() >= limits::kRateWindow) times_.pop_front();
  return times_.size() + count <= count_max_;
}

FiringBook::FiringBook()
    : triggers(limits::kTriggersKept),
      once_per(limits::kOncePerKept),
      all_(limits::kActionsPerWindow) {}

FiringBook::PerRule::PerRule()
    : actions(limits::kActionsPerRuleWindow), problems(limits::kProblemsPerRuleWindow) {}

bool FiringBook::MayAct(const std::string& rule, std::size_t actions, bool dry_run, BootMs now) {
  return rules_[rule].actions.Allows(actions, now) && (dry_run || all_.Allows(actions, now));
}

void FiringBook::NoteActions(const std::string& rule, std::size_t actions, bool dry_run,
                             BootMs now) {
  rules_[rule].actions.Note(actions, now);
  if (!dry_run) all_.Note(actions, now);
}

bool FiringBook::MayTell(const std::string& rule, BootMs now) {
  RateLimit& problems = rules_[rule].problems;
  if (!problems.Allows(1, now)) return false;
  problems.Note(1, now);
  return true;
}

void FiringBook::Keep(const std::set<std::string>& rules) {
  std::erase_if(rules_, [&](const auto& entry) { return !rules.contains(entry.first); });
}

}  // namespace sluice
