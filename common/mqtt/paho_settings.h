// How a connection is asked of Paho.
#pragma once

#include <mqtt/connect_options.h>

#include "common/base/result.h"
#include "common/mqtt/paho_transport.h"

namespace sluice {

/// E_USAGE for a URL, option or TLS file that cannot work.
Status CheckPahoOptions(const PahoOptions& options);

/// Fills `connect` where it is: a copy keeps pointers into the original. Throws what Paho throws.
void SetConnectOptions(const PahoOptions& options, const Will& will,
                       mqtt::connect_options& connect);

}  // namespace sluice
