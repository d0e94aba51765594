// How much memory this process has in RAM.
#pragma once

#include <cstdint>

namespace sluice::device {

/// Resident set in KiB; 0 where the system does not say.
std::uint32_t ProcessRssKb();

}  // namespace sluice::device
