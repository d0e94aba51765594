// Writes librsync deltas from extents: one for each block, all against the whole base.
#pragma once

#include "common/base/bytes.h"
#include "rollout_engine/payload/extent.h"

namespace sluice {

/// The part of `extents` that covers [begin, end) of the artifact, cut at both ends. REQUIRES: the
/// list covers it.
ExtentList CutExtents(const ExtentList& extents, std::uint64_t begin, std::uint64_t end);

/// A delta that any librsync patches with. Copies that would cost more than their bytes become
/// literals, so the delta is at most 10 bytes longer than its output. REQUIRES: `extents` is one
/// block's part of `artifact`.
Bytes BuildRsyncDelta(const ExtentList& extents, ByteView artifact);

}  // namespace sluice
