// The envelope of the directive in force, kept in two preallocated places so that a new one never
// overwrites the one that the state record names.
#pragma once

#include "common/contract/limits.h"
#include "device_sdk/slots/file_system.h"
#include "device_sdk/slots/sector.h"

namespace sluice::device {

class DirectivePair {
 public:
  /// `dir` holds directive.0 and directive.1.
  DirectivePair(FileSystem& files, const std::string& dir);

  /// Creates both, zero-filled; the caller syncs the directory.
  static Status Create(FileSystem& files, const std::string& dir);

  /// Writes into the place that does not hold the envelope with digest `in_force`. E_TOO_BIG.
  Status Write(ByteView envelope, const Digest& in_force);
  /// The envelope with that SHA-256, else E_NOT_FOUND.
  [[nodiscard]] Result<Bytes> Read(const Digest& digest) const;

 private:
  [[nodiscard]] std::optional<Bytes> ReadPlace(std::size_t place, const Digest& digest) const;

  FileSystem& files_;
  std::array<std::string, 2> paths_;
};

}  // namespace sluice::device
