// What the engine says to devices: Directive and Answer to one, Order and Freshness to all. All
// signed by the director.
#pragma once

#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/contract/numbers.h"

namespace sluice {

enum class DirectiveAction : std::uint8_t { kInstall = 1, kRevert = 2, kHold = 3 };
std::string_view DirectiveActionName(DirectiveAction action) noexcept;

enum class ActivationMode : std::uint8_t {
  kAsk = 1,   // the device needs a permit
  kFree = 2,  // sites that run without an engine
};

/// One way to build the artifact: a payload in the container of common/payload.
struct PayloadOffer {
  Digest object;       // of the whole payload; names it in FetchRequest
  Digest head_digest;  // of its first head_size bytes
  std::uint64_t size_bytes = 0;
  std::uint32_t head_size = 0;
  Digest base;  // artifact that the delta starts from; zero = full
  std::uint8_t codec_profile = 0;
  friend bool operator==(const PayloadOffer&, const PayloadOffer&) = default;
};

/// Minutes of the device's local day; open == close = always open.
struct ActivationWindow {
  std::uint16_t open_minute = 0;
  std::uint16_t close_minute = 0;
  friend bool operator==(const ActivationWindow&, const ActivationWindow&) = default;
};

struct Directive {
  std::string fleet_id;
  std::string device_id;
  SequenceNumber number;
  std::string rollout;  // "" = offered outside any rollout (baseline)
  std::uint16_t stage = 0;
  DirectiveAction action = DirectiveAction::kInstall;
  Digest manifest;  // of the manifest's envelope as fetched; in a revert the release to leave; zero
                    // = hold only
  std::uint32_t manifest_size = 0;
  std::vector<PayloadOffer> offers;  // <= 4, in the order to try
  std::uint64_t byte_budget = 0;  // total for this manifest, both directions, over all directives
  std::uint16_t attempts = 3;
  ActivationWindow window;
  ActivationMode mode = ActivationMode::kAsk;
  std::uint32_t telemetry_interval_s = 300;
  std::uint32_t latency_limit_us =
      0;  // an inference slower than this counts as over_latency; 0 = the manifest's
  std::uint32_t trial_ms = 900'000;
  std::uint32_t min_inferences =
      100;             // evidence that the trial needs; 0 = the paired validation is the evidence
  bool retry = false;  // try a digest that is remembered as bad
  std::int64_t not_before_ms = 0;
  std::int64_t expires_ms = 0;
  friend bool operator==(const Directive&, const Directive&) = default;
};

enum class OrderAction : std::uint8_t { kHold = 1, kAbort = 2, kRollBack = 3 };
std::string_view OrderActionName(OrderAction action) noexcept;

struct OrderEntry {
  std::string rollout;
  OrderAction action = OrderAction::kHold;
  std::uint16_t lowest_stage = 0;     // for devices that were offered at this stage or above
  std::vector<std::string> hardware;  // empty = all
  friend bool operator==(const OrderEntry&, const OrderEntry&) = default;
};

/// State, not event: it replaces the former Order as a whole. A rollout not listed runs.
struct Order {
  std::string fleet_id;
  SequenceNumber number;
  std::vector<OrderEntry> entries;  // <= 128
  std::int64_t created_ms = 0;
  friend bool operator==(const Order&, const Order&) = default;
};

/// What an engine holds now; a device that holds less says hello.
struct HeldVersions {
  std::uint32_t root_version = 0;
  SequenceNumber order;
  std::uint32_t revocation_version = 0;
  Digest revocation_digest;
  friend bool operator==(const HeldVersions&, const HeldVersions&) = default;
};

struct Freshness {
  std::string fleet_id;
  SequenceNumber number;
  std::int64_t now_ms = 0;
  HeldVersions held;
  friend bool operator==(const Freshness&, const Freshness&) = default;
};

/// Freshness for one device and one hello.
struct Answer {
  std::string fleet_id;
  std::string device_id;
  Nonce nonce{};
  std::uint64_t engine_epoch = 0;
  std::int64_t now_ms = 0;
  HeldVersions held;
  SequenceNumber directive;       // the device's newest
  std::uint64_t report_seq = 0;   // highest stored of this instance; the outbox drops up to it
  Digest permit;                  // manifest digest that may be activated now, or zero
  std::uint32_t ask_again_s = 0;  // when to say hello again while a permit is wanted
  std::uint32_t telemetry_interval_s = 300;
  friend bool operator==(const Answer&, const Answer&) = default;
};

}  // namespace sluice
