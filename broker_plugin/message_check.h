// Whether a device's message is what its topic says: the same checks that the engine makes, before
// the broker fans anything out.
#pragma once

#include <optional>

#include "common/contract/fetch.h"
#include "common/contract/topics.h"

namespace sluice::plugin {

struct CheckedMessage {
  std::optional<FetchRequest> fetch;  // of UpKind::kFetch, decoded
};

/// Size, FlatBuffers structure, enums, ranges, finiteness. The error of the contract's Decode, or
/// E_FB_RANGE for a presence that is neither `online` nor `offline`.
Result<CheckedMessage> CheckDeviceMessage(UpKind kind, ByteView payload);

}  // namespace sluice::plugin
