#include "broker_plugin/chunk_server.h"

#include <algorithm>
#include <utility>

#include "common/contract/chunk_frame.h"
#include "common/contract/codec.h"
#include "common/contract/topics.h"

namespace sluice::plugin {
namespace {

constexpr std::int64_t kSecondMs = 1'000;

std::size_t ClampTickBytes(std::size_t bytes) {
  return std::clamp(bytes, limits::kTickBytesMin, limits::kTickBytesMax);
}

std::string ChunkTopic(std::string_view device) {
  return BuildTopic(DownTopic{std::string(device), DownKind::kChunk});
}

/// The chunks that cover `range`, as far as the object goes; nothing behind its end.
std::optional<ChunkRuns::Run> RunOf(const ByteRange& range, std::uint64_t object_size,
                                    std::uint32_t chunk_size) {
  if (range.offset >= object_size) return std::nullopt;
  const std::uint64_t rest = object_size - range.offset;
  const std::uint64_t length = range.length == 0 ? rest : std::min(range.length, rest);
  return ChunkRuns::Run{range.offset / chunk_size, (range.offset + length - 1) / chunk_size};
}

bool Contains(const ByteRange& range, std::uint64_t offset, std::uint64_t length) {
  return offset >= range.offset && offset + length <= range.offset + range.length;
}

}  // namespace

ChunkServer::ChunkServer(const ChunkServerOptions& options, const Parts& parts, BootMs now)
    : options_(options),
      parts_(parts),
      total_(options.bytes_per_s, now),
      tick_bytes_(ClampTickBytes(options.tick_bytes)),
      foreign_at_(now),
      second_began_(now) {
  options_.tick_bytes = tick_bytes_;
}

// ---- what devices ask for ----

bool ChunkServer::OnFetch(std::string_view device, const FetchRequest& request, BootMs now) {
  if (!IsServing()) return false;
  if (blocked_.contains(request.object)) {
    ++counters_.fetches;
    Refuse(device, request.object, request.request_id, ChunkStatus::kDenied);
    return true;
  }
  const auto file = parts_.files.Open(request.object, now);
  if (!file) {
    DropJobOf(device);  // it wants something else now
    return false;
  }
  ++counters_.fetches;
  if (jobs_.size() >= limits::kChunkJobsMax && !jobs_.contains(device)) {
    Refuse(device, request.object, request.request_id, ChunkStatus::kBusy);
    return true;
  }
  Job& job = StartJob(device, request, (*file)->size_bytes());
  job.request_id = request.request_id;
  job.asked_at = now;
  const std::uint64_t window =
      std::min<std::uint64_t>(request.window_bytes, WindowBytes(request.chunk_size));
  const std::uint64_t room = std::max<std::uint64_t>(1, window / request.chunk_size);
  for (const ByteRange& range : request.wanted) {
    const auto run = RunOf(range, job.object_size, job.chunk_size);
    if (run && !job.owed.Add(*run, room)) break;
  }
  if (job.owed.empty()) Drop(job);
  return true;
}

ChunkServer::Job& ChunkServer::StartJob(std::string_view device, const FetchRequest& request,
                                        std::uint64_t object_size) {
  auto found = jobs_.find(device);
  if (found != jobs_.end()) {
    Job& job = found->second;
    const bool asks_again =
        std::any_of(request.wanted.begin(), request.wanted.end(), [&](const ByteRange& range) {
          const auto run = RunOf(range, job.object_size, request.chunk_size);
          return run && job.owed.Overlaps(*run);
        });
    const bool extends = job.object == request.object && job.chunk_size == request.chunk_size &&
                         job.object_size == object_size;
    if (extends) {
      if (asks_again) job.owed = {};
      return job;
    }
    // It keeps its place: asking for something else gives no earlier turn.
    job.object = request.object;
    job.object_size = object_size;
    job.chunk_size = request.chunk_size;
    job.owed = {};
    job.reading = 0;
    job.warm = {};
    return job;
  }
  found = jobs_.try_emplace(std::string(device)).first;
  Job& job = found->second;
  job.device = device;
  job.topic = ChunkTopic(device);
  job.object = request.object;
  job.object_size = object_size;
  job.chunk_size = request.chunk_size;
  job.place = turn_.insert(turn_.end(), &job);
  return job;
}

/// The broker's queue of a client counts packets, so its share of bytes depends on their size.
std::uint64_t ChunkServer::WindowBytes(std::uint32_t chunk_size) const {
  if (options_.queue_length == 0) return sluice::limits::kWindowBytesMax;
  const std::uint64_t packets = std::max<std::uint64_t>(
      1, std::uint64_t{options_.queue_length} * limits::kQueueSharePercent / 100);
  return std::min<std::uint64_t>(sluice::limits::kWindowBytesMax, packets * chunk_size);
}

void ChunkServer::OnDisconnect(std::string_view device) {
  DropJobOf(device);
  if (const auto refusal = refusals_.find(device); refusal != refusals_.end())
    refusals_.erase(refusal);
}

void ChunkServer::Drop(Job& job) {
  turn_.erase(job.place);
  jobs_.erase(jobs_.find(job.device));
}

void ChunkServer::DropJobOf(std::string_view device) {
  if (const auto found = jobs_.find(device); found != jobs_.end()) Drop(found->second);
}

void ChunkServer::Refuse(std::string_view device, Digest object, std::uint32_t request_id,
                         ChunkStatus status) {
  ++counters_.refused;
  DropJobOf(device);
  if (refusals_.size() >= limits::kRefusalsMax && !refusals_.contains(device)) return;
  refusals_[std::string(device)] = Chunk{.object_id = object.Prefix64(),
                                         .object_size = 0,
                                         .offset = 0,
                                         .request_id = request_id,
                                         .status = status,
                                         .data = {}};
}

void ChunkServer::Refuse(Job& job, ChunkStatus status) {
  const std::string device = job.device;  // the job goes away underneath
  Refuse(device, job.object, job.request_id, status);
}

void ChunkServer::EndUnreadable(Job& job) {
  ++counters_.read_failed;
  parts_.files.Forget(job.object);
  Refuse(job, ChunkStatus::kBusy);
}

// ---- what the operator and the engine say ----

void ChunkServer::Block(std::set<Digest> objects) {
  blocked_too_many_ = objects.size() > limits::kBlockedObjectsMax;
  blocked_ = blocked_too_many_ ? std::set<Digest>{} : std::move(objects);
  for (auto next = jobs_.begin(); next != jobs_.end();) {
    Job& job = (next++)->second;
    if (blocked_too_many_) {
      Refuse(job, ChunkStatus::kBusy);
    } else if (blocked_.contains(job.object)) {
      Refuse(job, ChunkStatus::kDenied);
    }
  }
}

void ChunkServer::Pause() {
  paused_ = true;
  while (!turn_.empty()) Refuse(*turn_.front(), ChunkStatus::kBusy);
}

void ChunkServer::SetBudget(std::size_t tick_bytes, std::uint64_t bytes_per_s,
                            std::uint64_t device_bytes_per_s, BootMs now) {
  if (device_bytes_per_s != options_.device_bytes_per_s) buckets_.clear();
  options_.device_bytes_per_s = device_bytes_per_s;
  options_.tick_bytes = tick_bytes_ = ClampTickBytes(tick_bytes);
  options_.bytes_per_s = bytes_per_s;
  total_ = ByteBucket(bytes_per_s, now);
}

void ChunkServer::OnForeignMessage(BootMs now) {
  foreign_at_ = now;
  tick_bytes_ = options_.tick_bytes;
}

// ---- serving ----

void ChunkServer::OnTick(BootMs now) {
  CountBytes(now, 0);
  if (!reading_.empty()) NoteReads();
  if (!SendRefusals()) return;
  std::size_t sent_bytes = 0;
  std::size_t skips = 0;
  std::size_t skips_in_a_row = 0;
  while (!turn_.empty() && sent_bytes < tick_bytes_ && total_.MaySend(now)) {
    if (skips_in_a_row >= turn_.size() || skips >= limits::kTickSkipsMax) break;
    Job& job = *turn_.front();
    turn_.splice(turn_.end(), turn_, turn_.begin());
    const Served served = ServeTurn(job, now, sent_bytes);
    if (served == Served::kBrokerRefused) break;
    const bool skipped = served == Served::kSkipped;
    skips += skipped ? 1 : 0;
    skips_in_a_row = skipped ? skips_in_a_row + 1 : 0;
  }
  CountBytes(now, sent_bytes);
  // Nobody else is there to be delayed: every TICK that was used up may be followed by a longer
  // one.
  if (sent_bytes >= tick_bytes_ && now - foreign_at_ >= limits::kQuietBeforeGrowth)
    tick_bytes_ = std::min(2 * tick_bytes_, limits::kTickBytesMax);
}

void ChunkServer::NoteReads() {
  for (const ReadAhead::Finished& finished : parts_.read_ahead.Collect()) {
    const auto ticket = reading_.find(finished.ticket);
    if (ticket == reading_.end()) continue;
    const auto found = jobs_.find(ticket->second);
    reading_.erase(ticket);
    if (found == jobs_.end() || found->second.reading != finished.ticket) continue;
    Job& job = found->second;
    job.reading = 0;
    if (!finished.ok) EndUnreadable(job);
  }
}

bool ChunkServer::SendRefusals() {
  for (std::size_t sent = 0; sent < limits::kTickRefusalsMax && !refusals_.empty(); ++sent) {
    const auto first = refusals_.begin();
    if (!parts_.broker.PublishCopy(ChunkTopic(first->first), Encode(first->second), 0, false)) {
      ++counters_.publish_failed;
      return false;
    }
    refusals_.erase(first);
  }
  return true;
}

/// Several chunks in a row: whoever receives them is woken once, and not once for each.
ChunkServer::Served ChunkServer::ServeTurn(Job& job, BootMs now, std::size_t& sent_bytes) {
  Served served = ServeOne(job, now, sent_bytes);
  for (int sent = 1; served == Served::kSent && sent < limits::kTurnChunks; ++sent) {
    if (sent_bytes >= tick_bytes_ || !total_.MaySend(now)) break;
    const Served next = ServeOne(job, now, sent_bytes);
    if (next == Served::kSkipped) break;
    served = next;
  }
  return served;
}

ChunkServer::Served ChunkServer::ServeOne(Job& job, BootMs now, std::size_t& sent_bytes) {
  if (now - job.asked_at > limits::kChunkJobSilenceMax) {
    ++counters_.dropped_silent;
    Drop(job);
    return Served::kEnded;
  }
  if (job.reading != 0) return Served::kSkipped;
  ByteBucket* const bucket = options_.device_bytes_per_s == 0 ? nullptr : BucketOf(job.device, now);
  if (options_.device_bytes_per_s != 0 && (bucket == nullptr || !bucket->MaySend(now)))
    return Served::kSkipped;

  const auto file = parts_.files.Open(job.object, now);
  if (!file || (*file)->size_bytes() != job.object_size) {
    EndUnreadable(job);
    return Served::kEnded;
  }
  const std::uint64_t offset = job.owed.front().first * job.chunk_size;
  const auto bytes =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(job.chunk_size, job.object_size - offset));
  const ChunkFrame frame(Chunk{.object_id = job.object.Prefix64(),
                               .object_size = job.object_size,
                               .offset = offset,
                               .request_id = job.request_id,
                               .status = ChunkStatus::kOk,
                               .data = {}},
                         bytes);
  BrokerBuffer buffer = parts_.broker.Allocate(frame.size_bytes());
  if (!buffer) {
    ++counters_.publish_failed;
    return Served::kBrokerRefused;
  }
  const std::span<std::uint8_t> payload(buffer.data(), frame.size_bytes());
  switch (ReadChunk(job, **file, offset, payload.subspan(frame.data_offset(), bytes))) {
    case ReadOutcome::kCold:
      AskForRead(job, *file, offset);
      return Served::kSkipped;
    case ReadOutcome::kFailed:
      EndUnreadable(job);
      return Served::kEnded;
    case ReadOutcome::kDone:
      break;
  }
  frame.WriteAround(payload);
  if (!parts_.broker.Publish(job.topic, std::move(buffer), 0, false)) {
    ++counters_.publish_failed;
    return Served::kBrokerRefused;
  }
  if (bucket != nullptr) bucket->Take(bytes);
  total_.Take(bytes);
  sent_bytes += bytes;
  ++counters_.chunks;
  job.owed.PopFront();
  if (!job.owed.empty()) return Served::kSent;
  Drop(job);
  return Served::kEnded;
}

/// What was read ahead and is still not there is read all the same: memory is short, or the file
/// system cannot tell, and waiting again would not end.
ReadOutcome ChunkServer::ReadChunk(const Job& job, const ObjectFile& file, std::uint64_t offset,
                                   std::span<std::uint8_t> to) {
  const ReadOutcome cached = parts_.reads.ReadIfCached(file, offset, to);
  if (cached != ReadOutcome::kCold || !Contains(job.warm, offset, to.size())) return cached;
  ++counters_.blocking_reads;
  return parts_.reads.Read(file, offset, to);
}

void ChunkServer::AskForRead(Job& job, std::shared_ptr<const ObjectFile> file,
                             std::uint64_t offset) {
  const std::uint64_t run_end =
      std::min(job.object_size, (job.owed.front().last + 1) * job.chunk_size);
  const ByteRange range{offset, std::min(run_end - offset, limits::kReadAheadBytesMax)};
  const auto ticket = parts_.read_ahead.Want(std::move(file), range);
  if (!ticket) return;  // the queue is full; the job asks again in a later TICK
  ++counters_.cold;
  job.reading = *ticket;
  job.warm = range;
  reading_[*ticket] = job.device;
}

ByteBucket* ChunkServer::BucketOf(const std::string& device, BootMs now) {
  const auto known = buckets_.find(device);
  if (known != buckets_.end()) return &known->second;
  if (buckets_.size() >= limits::kBucketsMax) {
    std::erase_if(buckets_, [now](auto& bucket) { return bucket.second.IsFull(now); });
    if (buckets_.size() >= limits::kBucketsMax) return nullptr;
  }
  return &buckets_.try_emplace(device, options_.device_bytes_per_s, now).first->second;
}

void ChunkServer::CountBytes(BootMs now, std::size_t bytes) {
  if (const std::int64_t passed_ms = now - second_began_; passed_ms >= kSecondMs) {
    bytes_per_s_ = second_bytes_ * kSecondMs / static_cast<std::uint64_t>(passed_ms);
    second_bytes_ = 0;
    second_began_ = now;
  }
  second_bytes_ += bytes;
  counters_.bytes += bytes;
}

// ---- what people see ----

ChunkStatusView ChunkServer::Snapshot(BootMs now) const {
  // Without a TICK for that long nothing was sent either.
  const bool stale = now - second_began_ >= 2 * kSecondMs;
  return {.serving = IsServing(),
          .jobs = jobs_.size(),
          .bytes_per_s = stale ? 0 : bytes_per_s_,
          .max_window_bytes =
              static_cast<std::uint32_t>(WindowBytes(sluice::limits::kChunkBytesDefault)),
          .chunk_bytes_max = sluice::limits::kChunkBytesMax,
          .counters = counters_};
}

std::vector<ChunkJobView> ChunkServer::ListJobs(std::size_t limit, BootMs now) const {
  std::vector<ChunkJobView> list;
  for (const auto& [device, job] : jobs_) {
    if (list.size() >= limit) break;
    list.push_back({device, job.object, job.owed.count() * job.chunk_size, now - job.asked_at});
  }
  return list;
}

}  // namespace sluice::plugin
