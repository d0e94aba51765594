// Bytes of objects without ever waiting for a disk on the broker's thread: what is not in memory is
// read by another thread first.
//
// The other thread only makes the kernel hold the pages; their bytes it throws away. It never calls
// the broker.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "broker_plugin/object_files.h"
#include "common/contract/fetch.h"

namespace sluice::plugin {

enum class ReadOutcome : std::uint8_t {
  kDone,
  kCold,    // not all of it is in memory
  kFailed,  // the file is shorter, or the disk says no
};

/// The port to the kernel. Thread-safe.
class FileReads {
 public:
  virtual ~FileReads() = default;
  /// Fills `to`, or says kCold at once. kCold also where the file system cannot tell.
  virtual ReadOutcome ReadIfCached(const ObjectFile& file, std::uint64_t offset,
                                   std::span<std::uint8_t> to) = 0;
  /// Fills `to`, waiting for the disk if it must.
  virtual ReadOutcome Read(const ObjectFile& file, std::uint64_t offset,
                           std::span<std::uint8_t> to) = 0;
};

/// preadv2 with RWF_NOWAIT, and pread.
class SystemFileReads final : public FileReads {
 public:
  ReadOutcome ReadIfCached(const ObjectFile& file, std::uint64_t offset,
                           std::span<std::uint8_t> to) override;
  ReadOutcome Read(const ObjectFile& file, std::uint64_t offset,
                   std::span<std::uint8_t> to) override;
};

/// Brings ranges into memory, some time later.
class ReadAhead {
 public:
  struct Finished {
    std::uint64_t ticket = 0;
    bool ok = false;  // false: the file ends before the range does, or cannot be read
  };
  virtual ~ReadAhead() = default;
  /// Asks for a range; its ticket, or nothing when too many wait: ask again later.
  virtual std::optional<std::uint64_t> Want(std::shared_ptr<const ObjectFile> file,
                                            const ByteRange& range) = 0;
  /// What finished since the last call, in the order it was asked for.
  virtual std::vector<Finished> Collect() = 0;
};

/// One thread, in the order asked. Ended and joined by the destructor, after at most one read of
/// kReadAheadStepBytes.
class ThreadReadAhead final : public ReadAhead {
 public:
  /// `reads` outlives this. The thread starts with the first range.
  explicit ThreadReadAhead(FileReads& reads, std::size_t queue_max = limits::kReadAheadQueueMax)
      : reads_(reads), queue_max_(queue_max) {}
  ~ThreadReadAhead() override;

  std::optional<std::uint64_t> Want(std::shared_ptr<const ObjectFile> file,
                                    const ByteRange& range) override;
  std::vector<Finished> Collect() override;

 private:
  struct Wanted {
    std::uint64_t ticket = 0;
    std::shared_ptr<const ObjectFile> file;
    ByteRange range;
  };
  /// False when the system has no thread to give.
  bool StartThread();
  void ThreadMain();
  std::optional<Wanted> Next();
  bool ReadThrough(const Wanted& wanted, std::span<std::uint8_t> scratch);

  FileReads& reads_;
  const std::size_t queue_max_;
  std::thread thread_;

  std::mutex mutex_;  // all below
  std::condition_variable changed_;
  std::deque<Wanted> queue_;
  std::vector<Finished> finished_;
  std::uint64_t last_ticket_ = 0;
  std::size_t uncollected_ = 0;  // queued, being read or finished
  bool stopping_ = false;
};

}  // namespace sluice::plugin
