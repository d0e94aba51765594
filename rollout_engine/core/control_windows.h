// When the devices of the control arm begin to count.
//
// A test device counts from its activation. Were the control arm counted from the stage's start, an
// hour in which everybody errs would be a larger part of a test device's time than of a control
// device's, and look like the release's fault. So each control device counts from the moment at
// which some test device of its hardware was exposed, each of them equally likely.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

/// Which of `controls` devices begin anew as the `exposed`-th test device is exposed: each with
/// probability 1 / exposed, so that afterwards all of them are spread evenly over all exposures so
/// far (a reservoir of one per control device). Places in ascending order; the same for the same
/// `seed`. REQUIRES: exposed >= 1.
std::vector<std::size_t> ControlsToRestart(std::size_t controls, std::int64_t exposed,
                                           std::uint64_t seed);

}  // namespace sluice
