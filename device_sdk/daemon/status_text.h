// A device's status for people (a few lines) and for programs (one JSON object).
#pragma once

#include <string>

#include "device_sdk/include/sluice/device.h"

namespace sluice::device {

/// One line. `running` says whether an agent gave it, or the disk did.
std::string StatusAsJson(const sdk::DeviceStatus& status, bool running);
/// The form for people of what StatusAsJson made; "" if it did not.
std::string StatusForPeople(const std::string& status_json);

}  // namespace sluice::device
