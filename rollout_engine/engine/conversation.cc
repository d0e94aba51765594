#include "rollout_engine/engine/conversation.h"

#include <algorithm>

#include "common/contract/limits.h"
#include "common/contract/topics.h"

namespace sluice {

BootMs TokenBucket::ReadyAt(BootMs now) const {
  return std::max(now, BootMs{full_at_ms_ - (burst_ - 1) * interval_ms_});
}

void TokenBucket::Take(BootMs now) { full_at_ms_ = std::max(full_at_ms_, now.ms) + interval_ms_; }

void Conversation::Owe(const std::string& device, Urgency urgency, BootMs now) {
  Partner& partner = partners_[device];
  const bool urgent = urgency != Urgency::kHello;
  const BootMs from = urgency == Urgency::kReport ? now + limits::kReportAnswerDelay : now;
  const BootMs at = (urgent ? partner.news : partner.hellos).ReadyAt(from);
  partner.after_hello = partner.after_hello || urgency != Urgency::kReport;
  if (partner.due && *partner.due <= at) return;
  if (partner.due) due_.erase({*partner.due, device});
  partner.due = at;
  partner.urgent = urgent;
  due_.insert({at, device});
}

void Conversation::Grant(const std::string& device, const Digest& manifest, BootMs now) {
  partners_[device].permit = Permit{manifest, now + limits::kPermitLife};
  Owe(device, Urgency::kNews, now);
}

std::vector<std::string> Conversation::TakeDue(BootMs now) {
  std::vector<std::string> devices;
  while (!due_.empty() && due_.begin()->first <= now) {
    const std::string device = due_.begin()->second;
    due_.erase(due_.begin());
    Partner& partner = partners_[device];
    (partner.urgent ? partner.news : partner.hellos).Take(now);
    partner.due.reset();
    devices.push_back(device);
  }
  return devices;
}

std::optional<BootMs> Conversation::NextDeadline() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

Digest Conversation::PermitFor(const Device& device, Partner& partner, BootMs now) const {
  if (partner.permit && partner.permit->until < now) partner.permit.reset();
  if (!partner.permit || partner.permit->manifest != device.hello->permit_wanted) return {};
  return partner.permit->manifest;
}

void Conversation::Answer(const Device& device, std::uint32_t telemetry_interval_s,
                          std::int64_t signing_time_ms, bool retain_directive, Turn& turn) {
  const Hello& hello = *device.hello;
  Partner& partner = partners_[device.id];
  const std::string topic = BuildTopic(DownTopic{device.id, DownKind::kDirective});
  for (Bytes& root : director_.RootsAbove(hello.root_version, limits::kRootsPerAnswer)) {
    turn.Publish(topic, std::move(root), Qos::k1, false);
  }
  const Digest permit = PermitFor(device, partner, turn.now);
  const bool waits = !hello.permit_wanted.IsZero() && permit.IsZero();
  turn.Publish(topic,
               director_.Sign(sluice::Answer{.device_id = device.id,
                                             .nonce = hello.nonce,
                                             .directive = device.last_number,
                                             .report_seq = device.report_seq,
                                             .permit = permit,
                                             .ask_again_s = waits ? limits::kAskAgainSeconds : 0,
                                             .telemetry_interval_s = telemetry_interval_s},
                              signing_time_ms),
               Qos::k1, false);
  const SequenceNumber order = director_.order().number;
  const SequenceNumber order_held =
      partner.after_hello ? hello.order : std::max(hello.order, partner.order_sent);
  if (!director_.order_envelope().empty() && order_held < order) {
    turn.Publish(topic, director_.order_envelope(), Qos::k1, false);
    partner.order_sent = order;
  }
  if (device.directive && device.quarantine.empty() &&
      turn.wall.ms < device.directive->value.expires_ms) {
    const bool newer = partner.after_hello ? hello.directive < device.directive->value.number
                                           : !device.directive->named;
    const bool in_force = partner.after_hello && !device.directive->finished;
    if (newer || in_force)
      turn.Publish(topic, device.directive->envelope, Qos::k1, retain_directive);
  }
  partner.after_hello = false;
}

}  // namespace sluice
