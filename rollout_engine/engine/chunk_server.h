// Serves objects in chunks through any broker: one job per device, one chunk per device in turn,
// bounded bytes per turn.
//
// Keeps nothing durable: a device that misses chunks asks for them again.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/base/clock.h"
#include "common/contract/fetch.h"
#include "common/mqtt/transport.h"
#include "rollout_engine/engine/limits.h"
#include "rollout_engine/registry/object_store.h"

namespace sluice {

class ChunkServer {
 public:
  struct Counters {
    std::uint64_t chunks = 0;
    std::uint64_t bytes = 0;
    std::uint64_t refused = 0;
  };

  explicit ChunkServer(const ObjectStore& objects,
                       std::size_t bytes_per_turn = limits::kChunkBytesPerTurn)
      : objects_(objects), bytes_per_turn_(bytes_per_turn) {}

  /// Takes one window of chunks. The same object as before extends what is unsent, another one
  /// replaces it; more than a window is never owed. Refusals (not found, denied, busy) are owed as
  /// one empty chunk each.
  void Ask(const std::string& device, const FetchRequest& request, BootMs now);

  /// Sends what is owed, one chunk per device in turn, up to the budget or until the transport
  /// pushes back.
  void Serve(Transport& transport, BootMs now);

  /// When Serve has work again, if it has any.
  [[nodiscard]] std::optional<BootMs> NextDeadline() const;

  /// Objects that nobody may fetch any more: jobs for them end with `denied`.
  void Block(std::set<Digest> objects);
  [[nodiscard]] const std::set<Digest>& blocked() const { return blocked_; }
  void Forget(const std::string& device) { jobs_.erase(device); }

  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] std::size_t jobs() const { return jobs_.size(); }

 private:
  struct Job {
    Digest object;
    std::uint64_t object_size = 0;
    std::uint32_t chunk_size = 0;
    std::uint32_t request_id = 0;
    std::set<std::uint64_t> owed;  // indices of chunks
    BootMs asked_at;
  };

  void Refuse(const std::string& device, const FetchRequest& request, ChunkStatus status);
  bool SendRefusals(Transport& transport);
  /// False when the transport takes no more. `sent_bytes` grows by the size of the chunk.
  bool SendOne(Transport& transport, const std::string& device, Job& job, std::size_t& sent_bytes);

  const ObjectStore& objects_;
  const std::size_t bytes_per_turn_;
  std::map<std::string, Job> jobs_;
  std::map<std::string, Chunk> refusals_;  // newest per device
  std::set<Digest> blocked_;
  std::string served_last_;
  BootMs retry_at_;
  Counters counters_;
};

}  // namespace sluice
