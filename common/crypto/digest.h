// SHA-256 through wolfSSL.
#pragma once

#include <memory>

#include "common/base/bytes.h"

namespace sluice {

Digest Sha256(ByteView bytes);

/// Incremental form. Not thread-safe.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;
  void Update(ByteView bytes);
  /// Ends the stream; a further Update starts a new one.
  Digest Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Size and SHA-256 of all bytes of `fd` from offset 0, by pread; the file position stays. E_IO.
struct FileDigest {
  std::uint64_t size_bytes = 0;
  Digest sha256;
};
Result<FileDigest> Sha256OfFile(int fd);

/// The list of SHA-256s of the 64 KiB blocks of `bytes` (the last one shorter), concatenated; its
/// own SHA-256 is the manifest's block_root.
Bytes BlockHashList(ByteView artifact);

/// SHA-256(device_id)[0] & 63: the pNN level of a device's topics.
int PartitionOf(std::string_view device_id);

/// u(device) in [0, 1): (first 8 bytes, big-endian, of SHA-256(salt || 0x00 || device_id) >> 11) /
/// 2^53.
double CohortUnit(std::string_view salt, std::string_view device_id);

}  // namespace sluice
