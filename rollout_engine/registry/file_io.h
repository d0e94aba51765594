// POSIX files as values: a descriptor that closes itself, and errno as an Error.
#pragma once

#include <string>

#include "common/base/bytes.h"

namespace sluice {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  void Close();

 private:
  int fd_;
};

/// "PATH: what the system says", E_NO_SPACE or E_IO.
Error FileError(const std::string& path, int error_number);

/// Everything or an error, over short writes and EINTR.
Status WriteAll(int fd, ByteView bytes, const std::string& path);
/// Fills `out` from `offset`; E_IO when the file ends before.
Status ReadExactly(int fd, std::uint64_t offset, std::span<std::uint8_t> out,
                   const std::string& path);
/// Makes names that were added to or removed from a folder durable.
Status SyncFolder(const std::string& path);

/// A whole small file: E_NOT_FOUND, E_TOO_BIG, E_IO.
Result<Bytes> ReadFile(const std::string& path, std::uint64_t size_max);
/// Replaces or creates `path` in one step: temporary, fsync, rename, fsync of the folder.
Status WriteFile(const std::string& path, ByteView bytes);

}  // namespace sluice
