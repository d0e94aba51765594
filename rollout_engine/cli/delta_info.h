// `sluice delta info`: what is in a payload, as JSON and as text.
#pragma once

#include <string>

#include "common/payload/container.h"

namespace sluice {

/// {kind, class, head_digest, head_size, payload_sha256, payload_bytes, out_sha256, out_size,
/// base_sha256, base_size, block_size, blocks, codecs: [{codec, blocks, in_bytes, out_bytes}],
/// ratio (payload / artifact), predicted_bytes: {"4096": n, "16320": n}}; the base's members only
/// of a delta.
std::string PayloadInfoJson(const PayloadHead& head, ByteView payload);

/// The same for people. `json` is PayloadInfoJson's.
std::string PayloadInfoText(const std::string& json);

/// What a device moves over MQTT and TLS in both directions to fetch a payload and the artifact's
/// hash list, in chunks of 4,096 or 16,320 bytes: publishes, their answers, requests and TCP's
/// acknowledgements, measured on Mosquitto at QoS 1 (docs/benchmarks/delta.md).
std::uint64_t PredictedBytes(std::uint64_t payload_bytes, std::uint64_t artifact_bytes,
                             std::uint32_t chunk_bytes) noexcept;

}  // namespace sluice
