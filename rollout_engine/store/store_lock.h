// The claim of one process on a store, held until it is destroyed or the process dies.
#pragma once

#include <string>

#include "common/base/result.h"

namespace sluice {

class StoreLock {
 public:
  /// Creates the file at `path` if needed, locks it and writes the process id into it. E_LOCKED
  /// names the process that holds it; E_STORE_IO.
  static Result<StoreLock> Take(const std::string& path);

  StoreLock(StoreLock&& other) noexcept;
  StoreLock& operator=(StoreLock&& other) noexcept;
  ~StoreLock();

 private:
  explicit StoreLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace sluice
