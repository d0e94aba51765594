#include "broker_plugin/object_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace sluice::plugin {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  [[nodiscard]] int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace

ObjectFile::~ObjectFile() { ::close(fd_); }

Result<std::shared_ptr<const ObjectFile>> ObjectFiles::Open(const Digest& object, BootMs now) {
  if (const auto known = entries_.find(object); known != entries_.end()) {
    if (now - known->second->opened_at <= limits::kOpenFileAge) {
      newest_first_.splice(newest_first_.begin(), newest_first_, known->second);
      return known->second->file;
    }
    Forget(object);
  }
  SLUICE_ASSIGN(std::shared_ptr<const ObjectFile> file, OpenFile(object));
  if (newest_first_.size() >= open_max_) {
    entries_.erase(newest_first_.back().object);
    newest_first_.pop_back();
  }
  newest_first_.push_front({object, file, now});
  entries_[object] = newest_first_.begin();
  return file;
}

void ObjectFiles::Forget(const Digest& object) {
  const auto known = entries_.find(object);
  if (known == entries_.end()) return;
  newest_first_.erase(known->second);
  entries_.erase(known);
}

/// The directory is opened by its name each time, since a restored store is a new one. Below it no
/// link is followed, and O_NONBLOCK keeps a FIFO from stopping the broker.
Result<std::shared_ptr<const ObjectFile>> ObjectFiles::OpenFile(const Digest& object) const {
  const std::string hex = object.Hex();
  const auto not_found = [&] { return Fail(ErrorCode::kNotFound, "object " + hex); };
  const Descriptor directory(::open(directory_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return not_found();
  const Descriptor folder(::openat(directory.get(), hex.substr(0, 2).c_str(),
                                   O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder.valid()) return not_found();
  Descriptor file(::openat(folder.get(), hex.c_str(),
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return not_found();
  const auto size_bytes = static_cast<std::uint64_t>(status.st_size);
  if (size_bytes == 0 || size_bytes > sluice::limits::kPayloadBytesMax) return not_found();
  return std::make_shared<const ObjectFile>(file.Release(), size_bytes);
}

}  // namespace sluice::plugin
