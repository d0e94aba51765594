// What an update to a release costs, as `sluice release publish` prints it, and what to do when it
// is much.
#pragma once

#include "rollout_engine/cli/session.h"

namespace sluice {

/// A row for each hardware, base and class: the payload and what travels for it. Above half of the
/// artifact a warning with advice goes to stderr. `forecast` is the answer of
/// /v1/releases/NAME/payloads.
Status PrintForecast(Session& session, std::string_view forecast);

}  // namespace sluice
