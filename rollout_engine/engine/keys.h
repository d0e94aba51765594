// The families of keys that the engine keeps in the store; docs/engine.md says what each holds.
#pragma once

#include <string>
#include <string_view>

#include "rollout_engine/store/keys.h"

namespace sluice::store_key {

inline constexpr std::string_view kEpoch = "engine/epoch";  // the last one used
inline constexpr std::string_view kLastNow =
    "engine/last_now";                                          // wall time in the last signed word
inline constexpr std::string_view kEngineTime = "engine/time";  // the engine's own clock
inline constexpr std::string_view kOrder = "engine/order";  // the Order that stands, as published

inline constexpr std::string_view kDevice =
    "device";                                        // <id>: what the engine knows about it (JSON)
inline constexpr std::string_view kHello = "hello";  // <id>: its newest Hello, as received
inline constexpr std::string_view kReport = "report";  // <id>: its newest Report, as received
inline constexpr std::string_view kDirective =
    "directive";  // <id>: the Directive that stands, as published
inline constexpr std::string_view kTotals = "totals";    // <id>: telemetry sums (PackTotals)
inline constexpr std::string_view kSketch = "sketch";    // <id>: its release, its latency sketch
inline constexpr std::string_view kHistory = "history";  // <id>/<seq>: one line each (JSON)
inline constexpr std::string_view kRollout = "rollout";  // <rid>: as created (JSON)
inline constexpr std::string_view kEvent = "event";  // <rid>/<seq>: what drove the rollout (JSON)
inline constexpr std::string_view kDecision =
    "decision";  // <rid>/<stage>/<look>/<variant>: a look with its inputs (JSON)
inline constexpr std::string_view kNote = "note";  // <rid>/<seq>: events for people (JSON)
inline constexpr std::string_view kOperation = "operation";  // <id>: request and outcome (JSON)
inline constexpr std::string_view kPayload =
    "payload";  // <what it was built from>: what was built (JSON)

}  // namespace sluice::store_key
