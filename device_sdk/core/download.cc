#include "device_sdk/core/download.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/contract/limits.h"

namespace sluice::device {

Download::Download(std::uint64_t size_bytes, std::uint32_t chunk_size,
                   std::uint32_t window_bytes_max, BootMs now)
    : size_bytes_(size_bytes),
      chunk_size_(chunk_size),
      window_bytes_max_(std::max(window_bytes_max, chunk_size)),
      window_bytes_(std::clamp(limits::kWindowBytesStart, chunk_size, window_bytes_max_)),
      watch_since_(now) {
  SLUICE_CHECK(size_bytes > 0 && chunk_size > 0);
  chunks_.resize((size_bytes + chunk_size - 1) / chunk_size, State::kMissing);
}

std::uint64_t Download::ChunkLength(std::size_t index) const {
  return std::min<std::uint64_t>(chunk_size_, size_bytes_ - index * chunk_size_);
}

std::size_t Download::LowestMissing() const {
  std::size_t index = first_wanted_;
  while (index < chunks_.size() && chunks_[index] == State::kHere) ++index;
  return index;
}

std::uint64_t Download::done_bytes() const {
  return std::min<std::uint64_t>(size_bytes_, LowestMissing() * chunk_size_);
}

void Download::SkipTo(std::uint64_t offset) {
  const std::size_t first = std::min<std::size_t>(offset / chunk_size_, chunks_.size());
  const std::size_t target = offset >= size_bytes_ ? chunks_.size() : first;
  for (; first_wanted_ < target; ++first_wanted_) {
    if (chunks_[first_wanted_] == State::kInFlight) in_flight_bytes_ -= ChunkLength(first_wanted_);
    chunks_[first_wanted_] = State::kHere;
    held_.erase(first_wanted_ * chunk_size_);
  }
}

std::vector<ByteRange> Download::TakeRequest(BootMs now) {
  std::vector<ByteRange> wanted;
  if (in_flight_bytes_ > window_bytes_ / 2) return wanted;
  // The window slides from the lowest missing byte: what is held out of order never exceeds it.
  const std::size_t lowest = LowestMissing();
  const std::uint64_t end = lowest * chunk_size_ + window_bytes_;
  for (std::size_t i = lowest; i < chunks_.size(); ++i) {
    const std::uint64_t length = ChunkLength(i);
    const std::uint64_t offset = i * chunk_size_;
    if (offset + length > end && i != lowest) break;
    if (chunks_[i] != State::kMissing) continue;
    if (in_flight_bytes_ > 0 && in_flight_bytes_ + length > window_bytes_) break;
    const bool extends = !wanted.empty() && wanted.back().offset + wanted.back().length == offset;
    if (!extends && wanted.size() == limits::kFetchRangesMax) break;
    if (extends) {
      wanted.back().length += length;
    } else {
      wanted.push_back({offset, length});
    }
    chunks_[i] = State::kInFlight;
    in_flight_bytes_ += length;
  }
  if (!wanted.empty()) {
    asked_at_ = now;
    rtt_pending_ = true;
  }
  return wanted;
}

Status Download::OnChunk(std::uint64_t offset, Bytes data, BootMs now) {
  const std::uint64_t index = offset / chunk_size_;
  if (offset % chunk_size_ != 0 || index >= chunks_.size() || data.size() != ChunkLength(index)) {
    return Fail(ErrorCode::kChunkRange,
                std::to_string(data.size()) + " bytes at " + std::to_string(offset) +
                    " are no chunk of an object of " + std::to_string(size_bytes_));
  }
  if (chunks_[index] == State::kHere) return {};
  // A chunk that comes after its timeout is as good; one beyond the window was never asked for.
  if (offset + data.size() > done_bytes() + window_bytes_max_) return {};
  if (chunks_[index] == State::kInFlight) in_flight_bytes_ -= data.size();
  chunks_[index] = State::kHere;
  heard_at_ = now;
  barren_timeouts_ = 0;
  watch_bytes_ += data.size();
  if (rtt_pending_) {
    rtt_pending_ = false;
    const std::int64_t sample = now - asked_at_;
    rtt_ms_ = rtt_ms_ == 0 ? sample : (7 * rtt_ms_ + sample) / 8;
    retry_ms_ = std::clamp(2 * rtt_ms_, kRetryFirstMs, kRetryMaxMs);
  }
  Grow(data.size());
  held_.emplace(offset, std::move(data));
  return {};
}

void Download::Grow(std::uint64_t bytes) {
  clean_bytes_ += bytes;
  if (clean_bytes_ < window_bytes_) return;
  clean_bytes_ = 0;
  window_bytes_ =
      std::min(window_bytes_max_,
               window_bytes_ > window_bytes_max_ / 2 ? window_bytes_max_ : 2 * window_bytes_);
}

std::optional<Bytes> Download::Take(std::uint64_t offset, std::uint64_t length) {
  SLUICE_CHECK(length > 0 && offset + length <= size_bytes_);
  const std::size_t first = offset / chunk_size_;
  const std::size_t last = (offset + length - 1) / chunk_size_;
  for (std::size_t i = first; i <= last; ++i) {
    if (!held_.contains(i * chunk_size_)) return std::nullopt;
  }
  Bytes bytes;
  bytes.reserve(length);
  for (std::size_t i = first; i <= last; ++i) {
    const Bytes& chunk = held_.at(i * chunk_size_);
    const std::uint64_t start = i * chunk_size_;
    const std::uint64_t from = std::max(offset, start) - start;
    const std::uint64_t to = std::min(offset + length, start + chunk.size()) - start;
    Append(bytes, ByteView(chunk).subspan(from, to - from));
  }
  return bytes;
}

void Download::Refetch(std::uint64_t offset, std::uint64_t length) {
  const std::size_t last = (offset + length - 1) / chunk_size_;
  for (std::size_t i = offset / chunk_size_; i <= last && i < chunks_.size(); ++i) {
    if (chunks_[i] == State::kInFlight) in_flight_bytes_ -= ChunkLength(i);
    chunks_[i] = State::kMissing;
    held_.erase(i * chunk_size_);
  }
}

void Download::ForgetInFlight() {
  for (std::size_t i = first_wanted_; i < chunks_.size() && in_flight_bytes_ > 0; ++i) {
    if (chunks_[i] != State::kInFlight) continue;
    chunks_[i] = State::kMissing;
    in_flight_bytes_ -= ChunkLength(i);
  }
  rtt_pending_ = false;
}

void Download::OnDisconnected(BootMs) { ForgetInFlight(); }

void Download::OnConnected(BootMs now) {
  watch_since_ = now;
  watch_bytes_ = 0;
  barren_timeouts_ = 0;
}

std::optional<BootMs> Download::NextDeadline() const {
  if (in_flight_bytes_ == 0) return std::nullopt;
  return std::max(asked_at_, heard_at_) + retry_ms_;
}

Status Download::WatchRate(BootMs now) {
  if (now - watch_since_ < kRateWatchMs) return {};
  const std::uint64_t bytes = std::exchange(watch_bytes_, 0);
  watch_since_ = now;
  if (bytes >= kBytesPerWatchMin) return {};
  return Fail(ErrorCode::kSlow, std::to_string(bytes) + " bytes in " +
                                    std::to_string(kRateWatchMs / 1000) +
                                    " s; what is written is kept");
}

Status Download::OnTimeout(BootMs now, double jitter) {
  ForgetInFlight();
  ++barren_timeouts_;
  clean_bytes_ = 0;
  window_bytes_ = std::max(chunk_size_, window_bytes_ / 2);
  const double backoff_ms = static_cast<double>(std::min(kRetryMaxMs, 2 * retry_ms_));
  retry_ms_ = static_cast<std::int64_t>(backoff_ms * (0.75 + 0.5 * jitter));
  SLUICE_TRY(WatchRate(now));
  if (barren_timeouts_ < kBarrenTimeoutsMax) return {};
  return Fail(ErrorCode::kSlow, std::to_string(barren_timeouts_) +
                                    " requests in a row brought nothing; what is "
                                    "written is kept");
}

}  // namespace sluice::device
