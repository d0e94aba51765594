// Rollout events as they are kept in the store: one JSON object each, readable in a dump.
#pragma once

#include <string>
#include <string_view>

#include "rollout_engine/core/rollout_event.h"

namespace sluice {

std::string EncodeEvent(const Event& event);
/// The inverse. E_STORE_CORRUPT with `key` for anything that EncodeEvent would not write.
Result<Event> DecodeEvent(std::string_view key, ByteView value);

}  // namespace sluice
