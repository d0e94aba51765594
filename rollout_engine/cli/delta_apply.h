// `sluice delta apply`: builds an artifact in a file beside its place, block by block, so that a
// run that was stopped goes on where it was.
#pragma once

#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace sluice {

struct ApplyPaths {
  std::string base;  // empty for a full payload
  std::string payload;
  std::string out;
};

struct AppliedPayload {
  Digest sha256;
  std::uint64_t size_bytes = 0;
  std::size_t blocks = 0;
  std::size_t blocks_resumed = 0;  // found done by an earlier run
};

/// Decodes with files only: memory is that of a device, not that of the model. OUT.part and
/// OUT.journal hold the work until the artifact's SHA-256 is right, then OUT appears at once. A
/// journal of another payload is started anew; the blocks of this one are read again and their
/// digests compared. On failure OUT is what it was. `head_digest`: what the head must hash to.
/// E_PAYLOAD_HEAD, E_DELTA_BASE, E_BLOCK_HASH, what DecodeBlock returns, E_ARTIFACT_HASH,
/// E_NO_SPACE, E_NOT_FOUND, E_IO.
Result<AppliedPayload> ApplyToFile(const ApplyPaths& paths, std::optional<Digest> head_digest);

}  // namespace sluice
