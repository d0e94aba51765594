// The port to a file system: the few calls whose order and durability the slot store relies on.
//
// Nothing is durable before a sync says so: file contents by the file's sync, names by the sync of
// their directory. Errors name the path and the system's reason: E_NOT_FOUND (no such name),
// E_CONFLICT (the name is taken), E_NO_SPACE, E_LOCKED, else E_STORE_IO. One thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace sluice::device {

/// An open regular file, closed when destroyed.
class File {
 public:
  virtual ~File() = default;

  [[nodiscard]] virtual Result<std::uint64_t> Size() const = 0;
  /// Fills `out` from `offset` and returns the count, which is short only where the file ends.
  [[nodiscard]] virtual Result<std::size_t> ReadAt(std::uint64_t offset,
                                                   std::span<std::uint8_t> out) const = 0;
  /// Writes all of `bytes`; after an error any part of them may have been written.
  [[nodiscard]] virtual Status WriteAt(std::uint64_t offset, ByteView bytes) = 0;
  /// Makes the file at least `size_bytes` long with every block reserved: later writes inside need
  /// no space. New bytes are zero.
  [[nodiscard]] virtual Status Allocate(std::uint64_t size_bytes) = 0;
  /// fdatasync: contents and length. After a failure the bytes written since the last success may
  /// be lost although a second call returns OK: write them again, or give the file up.
  [[nodiscard]] virtual Status SyncData() = 0;
  /// fsync: SyncData and all other attributes. The same holds after a failure.
  [[nodiscard]] virtual Status Sync() = 0;
  /// Forgets cached clean pages, so that the next read comes from the device. A hint.
  [[nodiscard]] virtual Status DropCache() const = 0;
  /// A descriptor of this very file at offset 0, with the file's access rights; the caller owns it.
  [[nodiscard]] virtual Result<int> DuplicateDescriptor() const = 0;
};

/// An exclusive lock, released when destroyed or when the process ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode {
  kRead,       // an existing file
  kReadWrite,  // an existing file
  kCreate,     // a new, empty file; E_CONFLICT when the name is taken
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Follows no symbolic link in the last component.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> Open(const std::string& path,
                                                           OpenMode mode) = 0;
  /// Replaces `to` atomically when it exists.
  [[nodiscard]] virtual Status Rename(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Status Unlink(const std::string& path) = 0;
  [[nodiscard]] virtual Status MakeDirectory(const std::string& path) = 0;
  [[nodiscard]] virtual Status SyncDirectory(const std::string& path) = 0;
  /// The names in a directory, sorted.
  [[nodiscard]] virtual Result<std::vector<std::string>> List(const std::string& path) const = 0;
  /// Bytes that this process may still allocate on the file system of `path`.
  [[nodiscard]] virtual Result<std::uint64_t> FreeBytes(const std::string& path) const = 0;
  /// True where overwriting allocated bytes takes new blocks (btrfs, ZFS, bcachefs).
  [[nodiscard]] virtual bool CopiesOnWrite(const std::string& path) const = 0;
  /// Takes the lock on an existing file without waiting: E_LOCKED names the holder's pid. Works on
  /// a read-only file system.
  [[nodiscard]] virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

}  // namespace sluice::device
