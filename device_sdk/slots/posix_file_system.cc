#include "device_sdk/slots/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace sluice::device {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;
constexpr std::size_t kPidTextMax = 16;
constexpr int kOrphanPollMs = 5;
constexpr int kOrphanTries = 400;  // two seconds

// From statfs(2); spelled out because linux/magic.h does not know all three.
constexpr unsigned long kBtrfsMagic = 0x9123683E;
constexpr unsigned long kZfsMagic = 0x2FC12FC1;
constexpr unsigned long kBcachefsMagic = 0xCA451A4E;

ErrorCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kConflict;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kNoSpace;
    default:
      return ErrorCode::kStoreIo;
  }
}

tl::unexpected<Error> Refused(const char* call, const std::string& path, int error) {
  return Fail(CodeOf(error),
              std::string(call) + " " + path + ": " + std::generic_category().message(error));
}

/// Owns one descriptor.
class UniqueFd {
 public:
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&&) = delete;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

int OpenRetrying(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

class PosixFile final : public File {
 public:
  PosixFile(UniqueFd descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::uint64_t> Size() const override {
    struct stat info {};
    if (fstat(descriptor_.get(), &info) != 0) return Refused("stat", path_, errno);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Result<std::size_t> ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = pread(descriptor_.get(), out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Refused("read", path_, errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Status WriteAt(std::uint64_t offset, ByteView bytes) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t put = pwrite(descriptor_.get(), bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(offset + done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return Refused("write", path_, errno);
      if (put == 0) return Refused("write", path_, ENOSPC);
      done += static_cast<std::size_t>(put);
    }
    return {};
  }

  Status Allocate(std::uint64_t size_bytes) override {
    int error = 0;
    do {
      error = posix_fallocate(descriptor_.get(), 0, static_cast<off_t>(size_bytes));
    } while (error == EINTR);
    if (error != 0) return Refused("allocate", path_, error);
    return {};
  }

  // A sync that a signal interrupts has not reported an error of the device: that one may be
  // repeated.
  Status SyncData() override {
    while (fdatasync(descriptor_.get()) != 0) {
      if (errno != EINTR) return Refused("fdatasync", path_, errno);
    }
    return {};
  }

  Status Sync() override {
    while (fsync(descriptor_.get()) != 0) {
      if (errno != EINTR) return Refused("fsync", path_, errno);
    }
    return {};
  }

  Status DropCache() const override {
    const int error = posix_fadvise(descriptor_.get(), 0, 0, POSIX_FADV_DONTNEED);
    if (error != 0) return Refused("fadvise", path_, error);
    return {};
  }

  Result<int> DuplicateDescriptor() const override {
    const int fd = fcntl(descriptor_.get(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return Refused("dup", path_, errno);
    return fd;
  }

 private:
  UniqueFd descriptor_;
  std::string path_;
};

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(UniqueFd descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  UniqueFd descriptor_;
};

std::string ReadPid(int fd) {
  std::array<char, kPidTextMax> text{};
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  std::string pid;
  for (ssize_t i = 0; i < got; ++i) {
    const char c = text[static_cast<std::size_t>(i)];
    if (c < '0' || c > '9') break;
    pid += c;
  }
  return pid.empty() ? "unknown" : pid;
}

bool IsAlive(const std::string& pid_text) {
  const long pid = std::strtol(pid_text.c_str(), nullptr, 10);
  return pid > 0 && (kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH);
}

// A fork passes the lock on, so a child (a validation, say) that its killed parent takes with it
// keeps the lock until the kernel has ended it too. That is waited for; a living holder is not.
bool TakeLock(int fd) {
  for (int tries = kOrphanTries; flock(fd, LOCK_EX | LOCK_NB) != 0; --tries) {
    const int error = errno;
    if (error == EINTR) continue;
    if (error != EWOULDBLOCK || tries <= 0 || IsAlive(ReadPid(fd))) {
      errno = error;
      return false;
    }
    poll(nullptr, 0, kOrphanPollMs);
  }
  return true;
}

// For the text of E_LOCKED and the wait above: on a full or read-only disk the lock holds without
// it.
void WritePid(int fd) {
  std::string text = std::to_string(getpid());
  text.resize(kPidTextMax, '\n');
  [[maybe_unused]] const ssize_t put = pwrite(fd, text.data(), text.size(), 0);
}

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::Open(const std::string& path, OpenMode mode) {
  int flags = O_RDONLY;
  if (mode == OpenMode::kReadWrite) flags = O_RDWR;
  if (mode == OpenMode::kCreate) flags = O_RDWR | O_CREAT | O_EXCL;
  UniqueFd descriptor(OpenRetrying(path, flags));
  if (descriptor.get() < 0) return Refused("open", path, errno);
  struct stat info {};
  if (fstat(descriptor.get(), &info) != 0) return Refused("stat", path, errno);
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kStoreIo, "open " + path + ": not a regular file; remove it");
  }
  return std::make_unique<PosixFile>(std::move(descriptor), path);
}

Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return Refused("rename", from, errno);
  return {};
}

Status PosixFileSystem::Unlink(const std::string& path) {
  if (unlink(path.c_str()) != 0) return Refused("unlink", path, errno);
  return {};
}

Status PosixFileSystem::MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), kDirectoryMode) != 0) return Refused("mkdir", path, errno);
  return {};
}

Status PosixFileSystem::SyncDirectory(const std::string& path) {
  const UniqueFd descriptor(OpenRetrying(path, O_RDONLY | O_DIRECTORY));
  if (descriptor.get() < 0) return Refused("open", path, errno);
  while (fsync(descriptor.get()) != 0) {
    if (errno != EINTR) return Refused("fsync", path, errno);
  }
  return {};
}

Result<std::vector<std::string>> PosixFileSystem::List(const std::string& path) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (!directory) return Refused("list", path, errno);
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return Refused("list", path, errno);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::uint64_t> PosixFileSystem::FreeBytes(const std::string& path) const {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) return Refused("statvfs", path, errno);
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

bool PosixFileSystem::CopiesOnWrite(const std::string& path) const {
  struct statfs info {};
  if (statfs(path.c_str(), &info) != 0) return false;
  // f_type is signed on some machines: compare the 32 bits that the kernel means.
  const unsigned long type = static_cast<unsigned long>(info.f_type) & 0xFFFFFFFFUL;
  return type == kBtrfsMagic || type == kZfsMagic || type == kBcachefsMagic;
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::Lock(const std::string& path) {
  int fd = OpenRetrying(path, O_RDWR);
  if (fd < 0 && (errno == EROFS || errno == EACCES)) fd = OpenRetrying(path, O_RDONLY);
  if (fd < 0) return Refused("open", path, errno);
  UniqueFd descriptor(fd);
  if (!TakeLock(fd)) {
    if (errno != EWOULDBLOCK) return Refused("lock", path, errno);
    return Fail(ErrorCode::kLocked, path + " is held by pid " + ReadPid(fd) +
                                        "; stop that process or use another state directory");
  }
  WritePid(fd);
  return std::make_unique<PosixFileLock>(std::move(descriptor));
}

}  // namespace sluice::device
