// The engine's chunk server alone, in a process of its own: what serves where no plugin is loaded.
#pragma once

#include <string>

#include "common/base/result.h"

namespace sluice::bench {

/// Serves the objects of `folder` over `broker_url` until it is ended; returns only what keeps
/// it from beginning.
Status ServeChunksAsEngine(const std::string& broker_url, const std::string& folder);

}  // namespace sluice::bench
