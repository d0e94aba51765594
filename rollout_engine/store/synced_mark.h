// How far the store was synced, in a file of its own inside the database's folder.
//
// RocksDB ends its log at the first record that does not read back: after a power cut that is the
// torn end, which nobody was promised. A byte that rotted in the middle looks the same to it, and
// everything behind would be dropped. The mark tells the two apart: a log that ends before it has
// lost what was promised.
//
// Written after each sync, never synced itself: it costs microseconds, survives the death of the
// process, and after a power cut is behind what was synced, never ahead of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace sluice {

class SyncedMark {
 public:
  static constexpr char kFileName[] = "SYNCED";

  /// The change up to which the store in `folder` was synced at least; nothing when the file is
  /// missing or damaged. E_STORE_IO.
  static Result<std::optional<std::uint64_t>> Read(const std::string& folder);
  /// Makes the file durable with `change` in it and keeps it open. E_STORE_IO.
  static Result<SyncedMark> Create(const std::string& folder, std::uint64_t change);

  SyncedMark(SyncedMark&& other) noexcept;
  SyncedMark& operator=(SyncedMark&& other) noexcept;
  ~SyncedMark();

  /// REQUIRES: everything up to `change` is synced.
  Status Write(std::uint64_t change);

 private:
  SyncedMark(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_ = -1;
};

}  // namespace sluice
