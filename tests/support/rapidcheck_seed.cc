#include <cstdlib>

namespace {

// RapidCheck draws a new seed for every run unless the environment names one. Tests are the same on
// every run; whoever wants to search further sets RC_PARAMS.
[[maybe_unused]] const int kSeeded = setenv("RC_PARAMS", "seed=1", /*overwrite=*/0);

}  // namespace
