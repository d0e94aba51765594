#include "broker_plugin/read_ahead.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

namespace sluice::plugin {

ReadOutcome SystemFileReads::ReadIfCached(const ObjectFile& file, std::uint64_t offset,
                                          std::span<std::uint8_t> to) {
  const iovec part{to.data(), to.size()};
  const ssize_t got = ::preadv2(file.fd(), &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  // Less than asked for is the end of the file or of what is in memory, and a refusal may mean that
  // this file system does not know the flag: whoever may wait finds out.
  return got == static_cast<ssize_t>(to.size()) ? ReadOutcome::kDone : ReadOutcome::kCold;
}

ReadOutcome SystemFileReads::Read(const ObjectFile& file, std::uint64_t offset,
                                  std::span<std::uint8_t> to) {
  while (!to.empty()) {
    const ssize_t got = ::pread(file.fd(), to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ReadOutcome::kFailed;
    offset += static_cast<std::uint64_t>(got);
    to = to.subspan(static_cast<std::size_t>(got));
  }
  return ReadOutcome::kDone;
}

ThreadReadAhead::~ThreadReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::optional<std::uint64_t> ThreadReadAhead::Want(std::shared_ptr<const ObjectFile> file,
                                                   const ByteRange& range) {
  if (!thread_.joinable() && !StartThread()) return std::nullopt;
  std::uint64_t ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    if (uncollected_ >= queue_max_) return std::nullopt;
    ticket = ++last_ticket_;
    ++uncollected_;
    queue_.push_back({ticket, std::move(file), range});
  }
  changed_.notify_one();
  return ticket;
}

std::vector<ReadAhead::Finished> ThreadReadAhead::Collect() {
  const std::lock_guard lock(mutex_);
  uncollected_ -= finished_.size();
  return std::exchange(finished_, {});
}

/// With every signal blocked: the broker's signals are for its own thread.
bool ThreadReadAhead::StartThread() {
  sigset_t all{};
  sigset_t before{};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { ThreadMain(); });
  } catch (const std::system_error&) {
    // Out of threads: whoever asks again may find one.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread_.joinable();
}

void ThreadReadAhead::ThreadMain() {
  std::vector<std::uint8_t> scratch(limits::kReadAheadStepBytes);
  while (const auto wanted = Next()) {
    bool ok = false;
    try {
      ok = ReadThrough(*wanted, scratch);
    } catch (...) {
      // What leaves a thread ends the broker; a job whose range cannot be read just ends.
    }
    const std::lock_guard lock(mutex_);
    finished_.push_back({wanted->ticket, ok});
  }
}

std::optional<ThreadReadAhead::Wanted> ThreadReadAhead::Next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  if (stopping_) return std::nullopt;
  Wanted wanted = std::move(queue_.front());
  queue_.pop_front();
  return wanted;
}

bool ThreadReadAhead::ReadThrough(const Wanted& wanted, std::span<std::uint8_t> scratch) {
  std::uint64_t offset = wanted.range.offset;
  const std::uint64_t end = offset + wanted.range.length;
  while (offset < end) {
    const auto part = scratch.first(std::min<std::uint64_t>(end - offset, scratch.size()));
    if (reads_.Read(*wanted.file, offset, part) != ReadOutcome::kDone) return false;
    offset += part.size();
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
  }
  return true;
}

}  // namespace sluice::plugin
