#include "rollout_engine/store/synced_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "rollout_engine/store/keys.h"

namespace sluice {
namespace {

constexpr int kReadAttempts = 3;

Error MarkError(const std::string& path, int error) {
  return {ErrorCode::kStoreIo, path + ": " + std::generic_category().message(error)};
}

std::string PathIn(const std::string& folder) { return folder + "/" + SyncedMark::kFileName; }

/// The number twice: two that differ are a damaged file, or one that is being written.
std::string Line(std::uint64_t change) {
  const std::string number = store_key::Number(change);
  return number + " " + number + "\n";
}

std::optional<std::uint64_t> ParseLine(std::string_view line) {
  const auto change = store_key::ParseNumber(line.substr(0, line.find(' ')));
  return change && line == Line(*change) ? change : std::nullopt;
}

/// A name is durable when its folder is.
Status SyncFolder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Fail(MarkError(folder, errno));
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (error != 0) return Fail(MarkError(folder, error));
  return {};
}

}  // namespace

Result<std::optional<std::uint64_t>> SyncedMark::Read(const std::string& folder) {
  const std::string path = PathIn(folder);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return std::nullopt;
  if (fd < 0) return Fail(MarkError(path, errno));
  const SyncedMark file(path, fd);
  std::optional<std::uint64_t> change;
  // Its owner may be writing it.
  for (int attempt = 0; attempt < kReadAttempts && !change; ++attempt) {
    char text[64];
    const ssize_t length = ::pread(fd, text, sizeof text, 0);
    if (length < 0) return Fail(MarkError(path, errno));
    change = ParseLine({text, static_cast<std::size_t>(length)});
  }
  return change;
}

Result<SyncedMark> SyncedMark::Create(const std::string& folder, std::uint64_t change) {
  std::string path = PathIn(folder);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Fail(MarkError(path, errno));
  SyncedMark mark(std::move(path), fd);
  SLUICE_TRY(mark.Write(change));
  const auto length = static_cast<off_t>(Line(change).size());
  if (::ftruncate(fd, length) != 0 || ::fsync(fd) != 0) return Fail(MarkError(mark.path_, errno));
  SLUICE_TRY(SyncFolder(folder));
  return mark;
}

Status SyncedMark::Write(std::uint64_t change) {
  const std::string line = Line(change);
  const ssize_t written = ::pwrite(fd_, line.data(), line.size(), 0);
  if (written == static_cast<ssize_t>(line.size())) return {};
  return Fail(MarkError(path_, written < 0 ? errno : ENOSPC));
}

SyncedMark::SyncedMark(SyncedMark&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

SyncedMark& SyncedMark::operator=(SyncedMark&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

SyncedMark::~SyncedMark() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace sluice
