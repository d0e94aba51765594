// Objects as files named by their SHA-256, opened for reading and never for more: the files that
// the engine's object store writes, DIRECTORY/ab/<sha256>.
//
// Broker thread only, but for ObjectFile, which never changes.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "broker_plugin/chunk_limits.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace sluice::plugin {

/// One open object. Closed when the last holder lets go, so that a reader thread never reads from a
/// descriptor that means something else by now.
class ObjectFile {
 public:
  ObjectFile(int fd, std::uint64_t size_bytes) : fd_(fd), size_bytes_(size_bytes) {}
  ~ObjectFile();
  ObjectFile(const ObjectFile&) = delete;
  ObjectFile& operator=(const ObjectFile&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  /// As it was when the file was opened.
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }

 private:
  const int fd_;
  const std::uint64_t size_bytes_;
};

class ObjectFiles {
 public:
  /// `directory` may appear later; `open_max` >= 1 files are kept open between uses.
  explicit ObjectFiles(std::string directory, std::size_t open_max = limits::kOpenFilesMax)
      : directory_(std::move(directory)), open_max_(open_max) {}

  /// The object, looked up again when it was opened more than a minute ago: a damaged file may have
  /// been replaced, a withdrawn one removed. E_NOT_FOUND for everything that is no readable regular
  /// file of at least one byte and not more than the longest payload: links, too, and folders that
  /// are links.
  Result<std::shared_ptr<const ObjectFile>> Open(const Digest& object, BootMs now);
  /// It was not what it said: the next Open looks again.
  void Forget(const Digest& object);

  [[nodiscard]] std::size_t open_files() const { return newest_first_.size(); }

 private:
  struct Entry {
    Digest object;
    std::shared_ptr<const ObjectFile> file;
    BootMs opened_at;
  };
  [[nodiscard]] Result<std::shared_ptr<const ObjectFile>> OpenFile(const Digest& object) const;

  const std::string directory_;
  const std::size_t open_max_;
  std::list<Entry> newest_first_;  // by use
  std::unordered_map<Digest, std::list<Entry>::iterator, DigestHash> entries_;
};

}  // namespace sluice::plugin
