// What Paho and the broker answer, as our errors.
#pragma once

#include <mqtt/exception.h>

#include <string>

#include "common/base/result.h"
#include "common/mqtt/paho_transport.h"

namespace sluice {

/// E_BACKPRESSURE, E_NOT_CONNECTED or E_IO.
Error PublishError(const mqtt::exception& error);

/// E_BROKER_REFUSED for a CONNACK return code above 0, what ProbeTls finds, which takes some
/// seconds at most, else E_NOT_CONNECTED with Paho's `detail`.
Error ConnectError(const PahoOptions& options, int code, const std::string& detail);

}  // namespace sluice
