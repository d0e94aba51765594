#include "tests/bench/delta/measured_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>

extern char** environ;

namespace sluice::bench {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::string EndOf(const std::string& path) {
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return text.substr(text.size() > 300 ? text.size() - 300 : 0);
}

}  // namespace

ProcessCost& ProcessCost::operator+=(const ProcessCost& other) {
  wall_s += other.wall_s;
  cpu_s += other.cpu_s;
  peak_rss_bytes = std::max(peak_rss_bytes, other.peak_rss_bytes);
  return *this;
}

Result<ProcessCost> RunMeasured(const std::vector<std::string>& argv, const std::string& log_path) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                   0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const auto start = std::chrono::steady_clock::now();
  pid_t pid = -1;
  const int refused = ::posix_spawnp(&pid, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (refused != 0) return Fail(ErrorCode::kNotFound, argv[0] + ": cannot be started; install it");
  int status = 0;
  rusage usage{};
  while (::wait4(pid, &status, 0, &usage) < 0) {
    if (errno != EINTR) return Fail(ErrorCode::kInternal, "wait4");
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Fail(ErrorCode::kState, argv[0] + " failed: " + EndOf(log_path));
  }
  return ProcessCost{
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
      Seconds(usage.ru_utime) + Seconds(usage.ru_stime),
      static_cast<std::uint64_t>(usage.ru_maxrss) * 1'024};
}

}  // namespace sluice::bench
