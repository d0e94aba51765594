// The partition level of a device's topics, computed from its identity and never believed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/base/bytes.h"

namespace sluice::plugin {

/// SHA-256 of at most 119 bytes (two blocks), which is all that an identity needs. Not for secrets,
/// and not for bulk: wolfSSL stays out of the broker's process, where OpenSSL is already
/// (docs/decisions/0005).
/// REQUIRES: text.size() <= 119.
Digest ShortSha256(std::string_view text);

/// SHA-256(device)[0] & 63, as the engine and the SDK compute it.
/// REQUIRES: a valid identity.
int PartitionOfDevice(std::string_view device);

}  // namespace sluice::plugin
