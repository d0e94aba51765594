#include "rollout_engine/engine/dispatch.h"

#include <algorithm>

#include "common/contract/limits.h"
#include "common/contract/topics.h"

namespace sluice {
namespace {

const std::string& RolloutOf(const Wanted& wanted) {
  return std::visit(
      [](const auto& w) -> const std::string& {
        if constexpr (requires { w.terms; }) {
          return w.terms.rollout;
        } else {
          return w.rollout;
        }
      },
      wanted);
}

Directive HoldDirective(const InstallTerms& terms) {
  return {.rollout = terms.rollout,
          .stage = terms.stage,
          .action = DirectiveAction::kHold,
          .telemetry_interval_s = terms.telemetry_interval_s,
          .latency_limit_us = terms.latency_limit_us};
}

Directive RevertDirective(const WantedRevert& revert) {
  return {.rollout = revert.rollout,
          .stage = revert.stage,
          .action = DirectiveAction::kRevert,
          .manifest = revert.manifest};
}

}  // namespace

void Dispatch::Want(const std::string& device, Wanted wanted) {
  wanted_[device] = std::move(wanted);
  waiting_.erase(device);
  queue_.push_back(device);
}

std::vector<Undeliverable> Dispatch::Work(Turn& turn) {
  std::vector<Undeliverable> undeliverable;
  const auto now_ms = director_.SigningTime(turn.wall);
  if (!now_ms) {
    second_ = turn.now;
    sent_in_second_ = limits::kDirectivesPerSecond;  // looks again in a second
    return undeliverable;
  }
  for (std::size_t left = queue_.size(); left > 0 && MaySend(turn.now); --left) {
    const std::string id = std::move(queue_.front());
    queue_.pop_front();
    const auto wanted = wanted_.find(id);
    Device* device = devices_.FindMutable(id);
    if (wanted == wanted_.end() || waiting_.contains(id)) continue;
    if (device == nullptr || !device->hello || !device->quarantine.empty()) {
      wanted_.erase(wanted);
      continue;
    }
    auto directive = Plan(*device, wanted->second);
    if (!directive) {
      undeliverable.push_back({id, RolloutOf(wanted->second), directive.error()});
      wanted_.erase(wanted);
    } else if (!directive->has_value()) {
      waiting_.insert(id);
    } else {
      const auto* install = std::get_if<WantedInstall>(&wanted->second);
      std::string release = install ? install->terms.release : std::string();
      wanted_.erase(wanted);
      Send(*device, {.value = std::move(**directive), .release = std::move(release)}, *now_ms,
           turn);
    }
  }
  SendAgain(turn);
  return undeliverable;
}

Result<std::optional<Directive>> Dispatch::Plan(const Device& device, const Wanted& wanted) {
  if (const auto* install = std::get_if<WantedInstall>(&wanted))
    return offers_.PlanInstall(device, install->terms);
  if (const auto* hold = std::get_if<WantedHold>(&wanted))
    return std::optional(HoldDirective(hold->terms));
  return std::optional(RevertDirective(std::get<WantedRevert>(wanted)));
}

void Dispatch::Send(Device& device, StandingDirective standing, std::int64_t now_ms, Turn& turn) {
  Directive& directive = standing.value;
  directive.fleet_id = director_.fleet_id();
  directive.device_id = device.id;
  directive.number = director_.After(device.last_number);
  directive.expires_ms = now_ms + limits::kDirectiveLife;
  standing.envelope = director_.Sign(directive);
  turn.Publish(BuildTopic(DownTopic{device.id, DownKind::kDirective}), standing.envelope, Qos::k1,
               retain());
  devices_.SetDirective(device, std::move(standing), turn);
  ++sent_in_second_;
  ScheduleResend(device.id, {turn.now + limits::kDirectiveResendFirst});
}

void Dispatch::SendAgain(Turn& turn) {
  while (!resend_due_.empty() && resend_due_.begin()->first <= turn.now && MaySend(turn.now)) {
    const std::string id = resend_due_.begin()->second;
    Resend resend = resends_.at(id);
    resend_due_.erase(resend_due_.begin());
    resends_.erase(id);
    const Device* device = devices_.Find(id);
    if (device == nullptr || !device->directive || device->directive->named ||
        !device->quarantine.empty())
      continue;
    if (turn.wall.ms >= device->directive->value.expires_ms) continue;
    // A device that is away asks by itself when it is back. One that has said nothing since the
    // engine started may be there all the same: a broker that drops its presence does not say so.
    if (!device->away) {
      turn.Publish(BuildTopic(DownTopic{id, DownKind::kDirective}), device->directive->envelope,
                   Qos::k1, retain());
      ++sent_in_second_;
    }
    resend.after_ms = std::min(resend.after_ms * 2, limits::kDirectiveResendMax);
    resend.at = turn.now + resend.after_ms;
    ScheduleResend(id, resend);
  }
}

void Dispatch::ScheduleResend(const std::string& device, Resend resend) {
  if (const auto old = resends_.find(device); old != resends_.end())
    resend_due_.erase({old->second.at, device});
  resends_[device] = resend;
  resend_due_.insert({resend.at, device});
}

void Dispatch::PayloadsChanged() {
  for (const std::string& device : waiting_) queue_.push_back(device);
  waiting_.clear();
}

void Dispatch::ResumeSending(BootMs now) {
  for (const auto& [id, device] : devices_.all()) {
    if (device.directive && !device.directive->named)
      ScheduleResend(id, {now, limits::kDirectiveResendFirst / 2});
  }
}

bool Dispatch::MaySend(BootMs now) {
  if (now - second_ >= limits::kSecond) {
    second_ = now;
    sent_in_second_ = 0;
  }
  return sent_in_second_ < limits::kDirectivesPerSecond;
}

std::optional<BootMs> Dispatch::NextDeadline() const {
  if (queue_.empty() && resend_due_.empty()) return std::nullopt;
  const BootMs next = queue_.empty() ? resend_due_.begin()->first : second_;
  const bool used_up = sent_in_second_ >= limits::kDirectivesPerSecond;
  return used_up ? std::max(next, second_ + limits::kSecond) : next;
}

}  // namespace sluice
