#include "broker_plugin/chunk_runs.h"

#include <algorithm>

namespace sluice::plugin {

bool ChunkRuns::Add(Run run, std::uint64_t room) {
  // The first run that holds, touches or follows the start of the new one.
  auto at = std::lower_bound(runs_.begin(), runs_.end(), run.first,
                             [](const Run& r, std::uint64_t first) { return r.last + 1 < first; });
  for (std::uint64_t next = run.first;;) {
    const bool joined = at != runs_.end() && at->first <= next;
    if (joined) next = std::max(next, at->last + 1);
    if (next > run.last) return true;
    if (count_ >= room) return false;
    std::uint64_t last = std::min(run.last, next + (room - count_) - 1);
    if (const auto behind = joined ? at + 1 : at; behind != runs_.end())
      last = std::min(last, behind->first - 1);
    count_ += last - next + 1;
    if (joined) {
      at->last = last;
    } else {
      at = runs_.insert(at, Run{next, last});
    }
    next = last + 1;
    const auto behind = at + 1;
    if (behind != runs_.end() && behind->first == next) {
      behind->first = at->first;  // one run from now on
      at = runs_.erase(at);
    }
  }
}

bool ChunkRuns::Overlaps(const Run& run) const {
  const auto at =
      std::lower_bound(runs_.begin(), runs_.end(), run.first,
                       [](const Run& r, std::uint64_t first) { return r.last < first; });
  return at != runs_.end() && at->first <= run.last;
}

void ChunkRuns::PopFront() {
  --count_;
  if (runs_.front().first++ == runs_.front().last) runs_.erase(runs_.begin());
}

}  // namespace sluice::plugin
