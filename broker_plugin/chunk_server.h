// Serves objects in chunks from inside the broker: one job per device, a few chunks per device in
// turn, bounded bytes per TICK.
//
// Fetches are only noted; all publishing happens in OnTick, so that serving never delays the
// message that asked for it nor those behind it. Nothing here waits for a disk. Keeps nothing
// durable: a device that misses chunks asks for them again.
#pragma once

#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker_plugin/broker.h"
#include "broker_plugin/byte_bucket.h"
#include "broker_plugin/chunk_runs.h"
#include "broker_plugin/object_files.h"
#include "broker_plugin/read_ahead.h"

namespace sluice::plugin {

struct ChunkServerOptions {
  std::size_t tick_bytes = limits::kTickBytesDefault;  // clamped to 64 KiB .. 1 MiB
  std::uint64_t bytes_per_s = 0;                       // over all devices; 0 = no limit
  std::uint64_t device_bytes_per_s = 0;                // each; 0 = no limit
  // The broker's max_queued_messages, which its API does not tell. 0 = no limit there.
  std::uint32_t queue_length = limits::kQueueLengthDefault;
};

struct ChunkCounters {
  std::uint64_t fetches = 0;  // taken, whether served or refused
  std::uint64_t chunks = 0;
  std::uint64_t bytes = 0;           // of objects, without framing
  std::uint64_t refused = 0;         // answered denied or busy
  std::uint64_t dropped_silent = 0;  // jobs of devices that fell silent
  std::uint64_t publish_failed = 0;  // the broker had no memory or refused
  std::uint64_t read_failed = 0;     // files that were shorter than they said, or unreadable
  std::uint64_t cold = 0;            // chunks that were not in memory and were read ahead
  std::uint64_t blocking_reads = 0;  // chunks that were not in memory even after that
};

struct ChunkStatusView {
  bool serving = false;  // takes fetches
  std::size_t jobs = 0;
  std::uint64_t bytes_per_s = 0;       // over the last whole second
  std::uint32_t max_window_bytes = 0;  // unsent bytes per device, at the default chunk size
  std::uint32_t chunk_bytes_max = 0;
  ChunkCounters counters;
};

/// One device's job, for people.
struct ChunkJobView {
  std::string device;
  Digest object;
  std::uint64_t unsent_bytes = 0;  // the last chunk counted whole
  std::int64_t asked_ms_ago = 0;
};

class ChunkServer {
 public:
  /// What it works with; all of it outlives the server.
  struct Parts {
    Broker& broker;
    ObjectFiles& files;
    FileReads& reads;
    ReadAhead& read_ahead;
  };
  ChunkServer(const ChunkServerOptions& options, const Parts& parts, BootMs now);

  /// The same object and chunk size as before extend what is unsent. Everything else replaces it:
  /// also a fetch of something that is still unsent, for only a device that has given up on its
  /// window asks twice.
  bool OnFetch(std::string_view device, const FetchRequest& request, BootMs now);
  /// Its job and what it was still to be told are dropped.
  void OnDisconnect(std::string_view device);
  /// Any message that is no fetch: others use the broker now.
  void OnForeignMessage(BootMs now);
  /// Publishes what is due, within the budget of one TICK.
  void OnTick(BootMs now);

  /// Replaces the objects that nobody may fetch: their jobs end with `denied`, said once each. With
  /// more than kBlockedObjectsMax it serves nothing: the engine knows the whole list.
  void Block(std::set<Digest> objects);
  /// Takes no fetch until Resume; who was being served is told `busy`.
  void Pause();
  void Resume() { paused_ = false; }
  /// Bytes per TICK, clamped to 64 KiB .. 1 MiB, and bytes per second over all devices and of each
  /// (0 = no limit).
  void SetBudget(std::size_t tick_bytes, std::uint64_t bytes_per_s,
                 std::uint64_t device_bytes_per_s, BootMs now);

  /// Whether the next TICK should come soon.
  [[nodiscard]] bool IsServing() const { return !paused_ && !blocked_too_many_; }
  [[nodiscard]] bool HasPendingJobs() const { return !jobs_.empty() || !refusals_.empty(); }
  [[nodiscard]] std::size_t pending_jobs() const { return jobs_.size(); }
  [[nodiscard]] ChunkStatusView Snapshot(BootMs now) const;
  /// At most `limit` jobs, in the order of their device ids.
  [[nodiscard]] std::vector<ChunkJobView> ListJobs(std::size_t limit, BootMs now) const;

 private:
  struct Job {
    std::string device;
    std::string topic;
    Digest object;
    std::uint64_t object_size = 0;
    std::uint32_t chunk_size = 0;
    std::uint32_t request_id = 0;
    ChunkRuns owed;
    BootMs asked_at;
    std::uint64_t reading = 0;  // ticket of the read-ahead that it waits for; 0 = none
    ByteRange warm;             // was read ahead
    std::list<Job*>::iterator place;
  };

  enum class Served : std::uint8_t {
    kSent,
    kSkipped,        // may not send now
    kEnded,          // the job is gone
    kBrokerRefused,  // nobody should go on in this TICK
  };

  [[nodiscard]] std::uint64_t WindowBytes(std::uint32_t chunk_size) const;
  Job& StartJob(std::string_view device, const FetchRequest& request, std::uint64_t object_size);
  void Drop(Job& job);
  void DropJobOf(std::string_view device);
  void Refuse(std::string_view device, Digest object, std::uint32_t request_id, ChunkStatus status);
  void Refuse(Job& job, ChunkStatus status);
  void EndUnreadable(Job& job);

  void NoteReads();
  bool SendRefusals();
  Served ServeTurn(Job& job, BootMs now, std::size_t& sent_bytes);
  Served ServeOne(Job& job, BootMs now, std::size_t& sent_bytes);
  ReadOutcome ReadChunk(const Job& job, const ObjectFile& file, std::uint64_t offset,
                        std::span<std::uint8_t> to);
  void AskForRead(Job& job, std::shared_ptr<const ObjectFile> file, std::uint64_t offset);
  /// Nothing when too many devices' rates are remembered already.
  ByteBucket* BucketOf(const std::string& device, BootMs now);
  void CountBytes(BootMs now, std::size_t bytes);

  ChunkServerOptions options_;
  const Parts parts_;

  std::map<std::string, Job, std::less<>> jobs_;
  std::list<Job*> turn_;                                // every job; the first is next
  std::map<std::string, Chunk, std::less<>> refusals_;  // newest per device
  std::map<std::uint64_t, std::string> reading_;        // device by ticket
  std::set<Digest> blocked_;
  bool blocked_too_many_ = false;
  bool paused_ = false;

  ByteBucket total_;
  std::map<std::string, ByteBucket> buckets_;  // by device, only with a limit per device
  std::size_t tick_bytes_;                     // of the next TICK
  BootMs foreign_at_;

  BootMs second_began_;
  std::uint64_t second_bytes_ = 0;
  std::uint64_t bytes_per_s_ = 0;
  ChunkCounters counters_;
};

}  // namespace sluice::plugin
