#include "rollout_engine/registry/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace sluice {

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileDescriptor::~FileDescriptor() { Close(); }

void FileDescriptor::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Error FileError(const std::string& path, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  return {full ? ErrorCode::kNoSpace : ErrorCode::kIo,
          path + ": " + std::generic_category().message(error_number)};
}

Status WriteAll(int fd, ByteView bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Fail(FileError(path, errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status ReadExactly(int fd, std::uint64_t offset, std::span<std::uint8_t> out,
                   const std::string& path) {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(FileError(path, errno));
    if (got == 0) return Fail(ErrorCode::kIo, path + ": ends at byte " + std::to_string(offset));
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Status SyncFolder(const std::string& path) {
  const FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid() || ::fsync(folder.get()) != 0) return Fail(FileError(path, errno));
  return {};
}

Result<Bytes> ReadFile(const std::string& path, std::uint64_t size_max) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() && errno == ENOENT) return Fail(ErrorCode::kNotFound, path + ": no such file");
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) return Fail(FileError(path, errno));
  if (!S_ISREG(status.st_mode)) return Fail(ErrorCode::kIo, path + ": not a regular file");
  if (static_cast<std::uint64_t>(status.st_size) > size_max) {
    return Fail(ErrorCode::kTooBig, path + ": " + std::to_string(status.st_size) +
                                        " bytes; at most " + std::to_string(size_max));
  }
  Bytes bytes(static_cast<std::size_t>(status.st_size));
  SLUICE_TRY(ReadExactly(file.get(), 0, bytes, path));
  return bytes;
}

Status WriteFile(const std::string& path, ByteView bytes) {
  const std::string temporary = path + ".tmp";
  FileDescriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid()) return Fail(FileError(temporary, errno));
  SLUICE_TRY(WriteAll(file.get(), bytes, temporary));
  if (::fsync(file.get()) != 0) return Fail(FileError(temporary, errno));
  file.Close();
  if (::rename(temporary.c_str(), path.c_str()) != 0) return Fail(FileError(path, errno));
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return SyncFolder(folder.empty() ? "." : folder);
}

}  // namespace sluice
