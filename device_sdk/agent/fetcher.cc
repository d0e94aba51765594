#include "device_sdk/agent/fetcher.h"

#include <algorithm>

#include "common/contract/codec.h"

namespace sluice::device {

void Fetcher::Begin(const Digest& object, std::uint64_t size_bytes, BootMs now) {
  object_ = object;
  refusals_ = 0;
  paused_until_.reset();
  download_.emplace(size_bytes, self_.chunk_bytes, self_.window_bytes_max, now);
}

void Fetcher::BeginBudget(std::uint64_t limit, std::uint64_t spent_before) {
  const LinkUse used = transport_.Used();
  budget_ = {
      .limit = limit, .spent_before = spent_before, .link_mark = used.bytes_up + used.bytes_down};
}

void Fetcher::SetSpentAtLeast(std::uint64_t bytes) {
  const std::uint64_t spent = BytesSpent();
  if (spent < bytes) budget_.spent_before += bytes - spent;
}

std::uint64_t Fetcher::BytesSpent() const {
  const LinkUse used = transport_.Used();
  return budget_.Spent(used.bytes_up + used.bytes_down);
}

void Fetcher::OnConnected(BootMs now) {
  connected_ = true;
  if (download_) download_->OnConnected(now);
}

void Fetcher::OnDisconnected(BootMs now) {
  connected_ = false;
  if (download_) download_->OnDisconnected(now);
}

Status Fetcher::OnChunk(const Chunk& chunk, BootMs now) {
  if (!download_ || chunk.object_id != object_.Prefix64()) return {};
  switch (chunk.status) {
    case ChunkStatus::kOk:
      if (chunk.object_size != download_->size_bytes()) {
        return Fail(ErrorCode::kChunkRange,
                    "the server's object has another size than was promised");
      }
      return download_->OnChunk(chunk.offset, chunk.data, now);
    case ChunkStatus::kBusy:
      paused_until_ = now + kBusyPauseMs;
      break;
    case ChunkStatus::kNotFound:
    case ChunkStatus::kDenied:
      if (paused_until_) return {};  // the same refusal, once for each range asked for
      wants_hello_ = true;
      ++refusals_;
      paused_until_ = now + (kRefusalPauseMs << refusals_);
      break;
  }
  download_->OnDisconnected(now);  // what was asked for does not come
  if (refusals_ < kRefusalsMax) return {};
  const bool denied = chunk.status == ChunkStatus::kDenied;
  return Fail(denied ? ErrorCode::kDenied : ErrorCode::kNotFound,
              std::string(denied ? "the server denies" : "the server does not have") + " object " +
                  object_.Short());
}

Status Fetcher::Poll(BootMs now) {
  if (!download_ || !connected_) return {};
  if (paused_until_ && now < *paused_until_) return {};
  paused_until_.reset();
  if (const auto deadline = download_->NextDeadline(); deadline && now >= *deadline) {
    if (self_.log) self_.log("what was asked for did not come; asking again");
    SLUICE_TRY(download_->OnTimeout(now, random_.Unit()));
  }
  return Ask(now);
}

Status Fetcher::Ask(BootMs now) {
  FetchRequest request;
  request.wanted = download_->TakeRequest(now);
  if (request.wanted.empty()) return {};
  std::uint64_t asked_bytes = 0;
  for (const ByteRange& range : request.wanted) asked_bytes += range.length;
  const LinkUse used = transport_.Used();
  if (!budget_.Allows(used.bytes_up + used.bytes_down, asked_bytes)) {
    return Fail(ErrorCode::kBudget, "spent " + std::to_string(BytesSpent()) + " of " +
                                        std::to_string(budget_.limit) +
                                        " bytes; what is written is kept");
  }
  request.object = object_;
  request.chunk_size = self_.chunk_bytes;
  request.window_bytes = download_->window_bytes();
  request.request_id = ++request_id_;
  // A request that the transport refuses is asked again after its timeout, like one that was lost.
  static_cast<void>(transport_.Publish(topic_, Encode(request), Qos::k0, false));
  return {};
}

std::optional<BootMs> Fetcher::NextDeadline() const {
  if (!download_ || !connected_) return std::nullopt;
  return paused_until_ ? paused_until_ : download_->NextDeadline();
}

}  // namespace sluice::device
