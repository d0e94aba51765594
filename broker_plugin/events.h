// What only the broker sees, as compact JSON on sluice/v1/server/<server>/event, for rules and the
// engine: hints that may be lost, never the truth about a device.
//
// {"server","boot","seq","type","device","why","suppressed","ts"}: `seq` rises by one with each
// event of this boot, `suppressed` counts what was held back since the last event of the same
// device and type, `ts` is in ms of the wall clock. At most one event per (device, type) in 10 s.
//
// Broker thread only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker_plugin/broker.h"
#include "broker_plugin/token_bucket.h"
#include "common/base/clock.h"

namespace sluice::plugin {

enum class EventType : std::uint8_t {
  kDisconnect,
  kWill,  // a will was refused, of which the client hears nothing
  kDenied,
  kMalformed,
  kRate,
  kQuarantined,
  kFault,  // the plugin switched itself off
};
inline constexpr std::size_t kEventTypeCount = 7;
std::string_view EventTypeName(EventType type) noexcept;

/// Lets a map of strings be searched by a view, without a copy of it.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

class Events {
 public:
  /// `boot` tells one load of the plugin from the next.
  Events(Broker& broker, const Clock& clock, std::string boot);

  /// REQUIRES: a topic level. Before the first call nothing is published.
  void SetServer(std::string_view server);

  /// `device` may be any text; at most 64 bytes of it are shown. False when it was held back.
  bool Emit(EventType type, std::string_view device, std::string_view why);

  [[nodiscard]] std::uint64_t published() const { return seq_; }
  [[nodiscard]] std::uint64_t suppressed() const { return suppressed_; }

 private:
  struct Recent {
    BootMs at;
    std::uint64_t suppressed = 0;
  };
  using RecentByDevice = std::unordered_map<std::string, Recent, TextHash, std::equal_to<>>;

  /// The entry to publish for, with the time of now; null when the event is held back.
  Recent* Admit(EventType type, std::string_view device, BootMs now);
  void ForgetOld(BootMs now);

  Broker& broker_;
  const Clock& clock_;
  const std::string boot_;
  std::string server_;
  std::string topic_;
  std::array<RecentByDevice, kEventTypeCount> recent_;
  std::size_t recent_count_ = 0;
  BootMs sweep_not_before_;
  TokenBucket all_devices_;
  std::uint64_t seq_ = 0;
  std::uint64_t suppressed_ = 0;
};

}  // namespace sluice::plugin
