// Runs independent pieces of work on a bounded number of threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace sluice {

/// Threads that one encoder uses at most, whatever the machine has.
inline constexpr unsigned kEncoderThreadsMax = 4;

/// Calls `make_worker()` once on each of up to `threads` threads, and what it returns with every
/// index below `count`, each once, in rising order per worker. Returns when all are done.
/// REQUIRES: the calls for different indices are independent and do not throw.
template <class MakeWorker>
void ParallelFor(unsigned threads, std::size_t count, const MakeWorker& make_worker) {
  std::atomic<std::size_t> next = 0;
  const auto run = [&] {
    auto worker = make_worker();
    for (std::size_t i = next++; i < count; i = next++) worker(i);
  };
  std::vector<std::jthread> others;
  for (unsigned i = 1; i < threads && i < count; ++i) others.emplace_back(run);
  run();
}

}  // namespace sluice
