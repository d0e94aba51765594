// Directives on their way: who is to get which, in order, at a bounded rate, until the device has
// named it.
//
// What is wanted is kept in memory only: after a restart the rollouts say again what they want.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "rollout_engine/engine/director.h"
#include "rollout_engine/engine/offers.h"

namespace sluice {

struct WantedInstall {
  InstallTerms terms;
};
struct WantedHold {
  InstallTerms terms;  // rollout, stage, latency limit and interval
};
struct WantedRevert {
  std::string rollout;
  std::uint16_t stage = 0;
  Digest manifest;  // the release to leave
};
using Wanted = std::variant<WantedInstall, WantedHold, WantedRevert>;

/// Why a device got no Directive.
struct Undeliverable {
  std::string device;
  std::string rollout;
  Error error;
};

class Dispatch {
 public:
  Dispatch(Director& director, DeviceDirectory& devices, Offers& offers)
      : director_(director), devices_(devices), offers_(offers) {}

  /// Replaces what was wanted for this device before.
  void Want(const std::string& device, Wanted wanted);
  void Cancel(const std::string& device) { wanted_.erase(device); }
  [[nodiscard]] bool Wants(const std::string& device) const { return wanted_.contains(device); }

  /// Signs and sends what may go now, and sends again what nobody has named. Returns what cannot be
  /// delivered at all.
  std::vector<Undeliverable> Work(Turn& turn);
  /// Payloads were built: what waited for them is tried again.
  void PayloadsChanged();
  [[nodiscard]] std::optional<BootMs> NextDeadline() const;

  /// The engine has connected: what stands unnamed is sent again now.
  void ResumeSending(BootMs now);
  [[nodiscard]] bool retain() const {
    return devices_.all().size() < limits::kRetainDirectivesBelow;
  }

 private:
  struct Resend {
    BootMs at;
    std::int64_t after_ms = limits::kDirectiveResendFirst;
  };
  /// A Directive without number; nothing while payloads are being built.
  Result<std::optional<Directive>> Plan(const Device& device, const Wanted& wanted);
  void Send(Device& device, StandingDirective standing, std::int64_t now_ms, Turn& turn);
  void SendAgain(Turn& turn);
  void ScheduleResend(const std::string& device, Resend resend);
  [[nodiscard]] bool MaySend(BootMs now);

  Director& director_;
  DeviceDirectory& devices_;
  Offers& offers_;
  std::map<std::string, Wanted> wanted_;
  std::deque<std::string> queue_;  // to be tried, in order; a device may stand in it twice
  std::set<std::string> waiting_;  // for payloads
  std::map<std::string, Resend> resends_;
  std::set<std::pair<BootMs, std::string>> resend_due_;
  BootMs second_;  // of the rate
  std::size_t sent_in_second_ = 0;
};

}  // namespace sluice
