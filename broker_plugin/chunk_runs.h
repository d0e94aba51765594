// The chunks of one object that are owed, as runs of chunk numbers: a window is a handful of runs,
// however many chunks it holds.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::plugin {

class ChunkRuns {
 public:
  struct Run {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  // included
    friend bool operator==(const Run&, const Run&) = default;
  };

  /// Adds the chunks of `run` from its first on until `room` chunks are owed in all; false when
  /// the room is used up. REQUIRES: first <= last.
  bool Add(Run run, std::uint64_t room);
  [[nodiscard]] bool Overlaps(const Run& run) const;

  [[nodiscard]] bool empty() const { return runs_.empty(); }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// The lowest run. REQUIRES: not empty.
  [[nodiscard]] const Run& front() const { return runs_.front(); }
  /// Removes the lowest chunk. REQUIRES: not empty.
  void PopFront();

 private:
  std::vector<Run> runs_;  // rising, never touching one another
  std::uint64_t count_ = 0;
};

}  // namespace sluice::plugin
