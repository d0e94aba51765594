// Why a TLS connection to a broker fails, which Paho does not tell.
#pragma once

#include <chrono>
#include <optional>

#include "common/base/result.h"
#include "common/mqtt/paho_transport.h"

namespace sluice {

/// Shakes hands with the broker once more, without MQTT, and says what is wrong with its
/// certificate, or what the broker has against ours: E_TLS_UNTRUSTED_CA, E_TLS_CERT_EXPIRED,
/// E_TLS_HOSTNAME, E_TLS_CLOCK (not valid yet), E_BROKER_REFUSED; E_USAGE for a file of ours that
/// holds something else. Nothing if the broker cannot be reached, speaks no TLS, or finds no fault.
/// Takes up to kTlsProbeTimeout, and what looking up the host's name takes.
/// REQUIRES: an ssl:// URL.
std::optional<Error> ProbeTls(const PahoOptions& options);

inline constexpr std::chrono::seconds kTlsProbeTimeout{3};

}  // namespace sluice
