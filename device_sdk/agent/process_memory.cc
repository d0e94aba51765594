#include "device_sdk/agent/process_memory.h"

#include <unistd.h>

#include <fstream>

namespace sluice::device {

std::uint32_t ProcessRssKb() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) return 0;
  const long page_bytes = sysconf(_SC_PAGESIZE);
  return page_bytes > 0 ? static_cast<std::uint32_t>(resident_pages *
                                                     static_cast<std::uint64_t>(page_bytes) / 1024)
                        : 0;
}

}  // namespace sluice::device
