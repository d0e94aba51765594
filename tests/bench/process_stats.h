// CPU time and memory of another process, read from /proc.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::bench {

/// CPU seconds of all threads so far, in the scheduler's nanoseconds.
inline double CpuSeconds(pid_t pid) {
  double seconds = 0;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::uint64_t on_cpu_ns = 0;
    std::ifstream(task.path() / "schedstat") >> on_cpu_ns;
    seconds += static_cast<double>(on_cpu_ns) / 1e9;
  }
  return seconds;
}

/// A field of /proc/PID/status in bytes, such as "VmRSS:".
inline std::uint64_t MemoryBytes(pid_t pid, const std::string& field) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    std::uint64_t kib = 0;
    if (word == field && status >> kib) return kib * 1'024;
  }
  return 0;
}

/// Makes the kernel count the peak (VmHWM) anew.
inline void ResetPeakMemory(pid_t pid) {
  std::ofstream("/proc/" + std::to_string(pid) + "/clear_refs") << "5";
}

}  // namespace sluice::bench
