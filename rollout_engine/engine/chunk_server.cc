#include "rollout_engine/engine/chunk_server.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/contract/codec.h"
#include "common/contract/limits.h"
#include "common/contract/topics.h"

namespace sluice {
namespace {

bool Publish(Transport& transport, const std::string& device, const Chunk& chunk) {
  const std::string topic = BuildTopic(DownTopic{device, DownKind::kChunk});
  const auto sent = transport.Publish(topic, Encode(chunk), Qos::k0, false);
  // Only back-pressure is worth waiting for: without a connection the device asks again on the next
  // one.
  return sent.has_value() || sent.error().code != ErrorCode::kBackpressure;
}

/// Adds the chunks of `range` until `room` chunks are owed; returns false when the room is used up.
bool Owe(const ByteRange& range, std::uint64_t object_size, std::uint32_t chunk_size,
         std::size_t room, std::set<std::uint64_t>& owed) {
  if (range.offset >= object_size) return true;
  const std::uint64_t length = range.length == 0
                                   ? object_size - range.offset
                                   : std::min(range.length, object_size - range.offset);
  const std::uint64_t last = (range.offset + length - 1) / chunk_size;
  for (std::uint64_t index = range.offset / chunk_size; index <= last; ++index) {
    if (owed.size() >= room) return false;
    owed.insert(index);
  }
  return true;
}

}  // namespace

void ChunkServer::Ask(const std::string& device, const FetchRequest& request, BootMs now) {
  if (blocked_.contains(request.object)) return Refuse(device, request, ChunkStatus::kDenied);
  const auto size = objects_.SizeOf(request.object);
  if (!size) {
    const bool unknown = size.error().code == ErrorCode::kNotFound;
    return Refuse(device, request, unknown ? ChunkStatus::kNotFound : ChunkStatus::kBusy);
  }
  if (jobs_.size() >= limits::kChunkJobsMax && !jobs_.contains(device)) {
    return Refuse(device, request, ChunkStatus::kBusy);
  }
  Job& job = jobs_[device];
  if (job.object != request.object || job.chunk_size != request.chunk_size) {
    job = Job{.object = request.object, .object_size = *size, .chunk_size = request.chunk_size};
  }
  job.request_id = request.request_id;
  job.asked_at = now;
  const std::uint32_t window = std::min(request.window_bytes, limits::kWindowBytesMax);
  const std::size_t room = std::max<std::size_t>(1, window / request.chunk_size);
  for (const ByteRange& range : request.wanted) {
    if (!Owe(range, *size, request.chunk_size, room, job.owed)) break;
  }
  if (job.owed.empty()) jobs_.erase(device);
}

void ChunkServer::Refuse(const std::string& device, const FetchRequest& request,
                         ChunkStatus status) {
  ++counters_.refused;
  jobs_.erase(device);
  if (refusals_.size() >= limits::kChunkRefusalsMax && !refusals_.contains(device)) return;
  refusals_[device] = Chunk{
      .object_id = request.object.Prefix64(), .request_id = request.request_id, .status = status};
}

void ChunkServer::Serve(Transport& transport, BootMs now) {
  if (now < retry_at_) return;
  std::erase_if(jobs_,
                [&](const auto& job) { return now - job.second.asked_at > limits::kChunkJobIdle; });
  bool taking = SendRefusals(transport);
  std::size_t sent_bytes = 0;
  while (taking && !jobs_.empty() && sent_bytes < bytes_per_turn_) {
    auto next = jobs_.upper_bound(served_last_);
    if (next == jobs_.end()) next = jobs_.begin();
    taking = SendOne(transport, next->first, next->second, sent_bytes);
    if (!taking) break;
    served_last_ = next->first;
    if (next->second.owed.empty()) jobs_.erase(next);
  }
  retry_at_ = taking ? now : now + limits::kChunkRetry;
}

bool ChunkServer::SendRefusals(Transport& transport) {
  while (!refusals_.empty()) {
    const auto first = refusals_.begin();
    if (!Publish(transport, first->first, first->second)) return false;
    refusals_.erase(first);
  }
  return true;
}

bool ChunkServer::SendOne(Transport& transport, const std::string& device, Job& job,
                          std::size_t& sent_bytes) {
  const std::uint64_t index = *job.owed.begin();
  Chunk chunk{.object_id = job.object.Prefix64(),
              .object_size = job.object_size,
              .offset = index * job.chunk_size,
              .request_id = job.request_id};
  chunk.data.resize(std::min<std::uint64_t>(job.chunk_size, job.object_size - chunk.offset));
  if (!objects_.ReadAt(job.object, chunk.offset, chunk.data)) {
    chunk.status = ChunkStatus::kBusy;
    chunk.data.clear();
    job.owed.clear();
    ++counters_.refused;
    return Publish(transport, device, chunk);
  }
  if (!Publish(transport, device, chunk)) return false;
  job.owed.erase(job.owed.begin());
  sent_bytes += chunk.data.size();
  counters_.bytes += chunk.data.size();
  ++counters_.chunks;
  return true;
}

std::optional<BootMs> ChunkServer::NextDeadline() const {
  if (jobs_.empty() && refusals_.empty()) return std::nullopt;
  return retry_at_;
}

void ChunkServer::Block(std::set<Digest> objects) {
  blocked_ = std::move(objects);
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    if (!blocked_.contains(job->second.object)) {
      ++job;
      continue;
    }
    const auto stopped = job++;
    Refuse(std::string(stopped->first),
           FetchRequest{.object = stopped->second.object, .request_id = stopped->second.request_id},
           ChunkStatus::kDenied);
  }
}

}  // namespace sluice
