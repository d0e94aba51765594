// How releases look on a terminal.
#pragma once

#include <string_view>

#include "rollout_engine/cli/session.h"

namespace sluice {

/// REQUIRES: JSON of schemas/openapi.yaml, "Release".
Status PrintRelease(Session& session, std::string_view release_json);
/// "ReleaseList".
Status PrintReleases(Session& session, std::string_view list_json);

}  // namespace sluice
