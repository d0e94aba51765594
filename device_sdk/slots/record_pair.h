// The two copies of the state record: the newest valid one is read, the other one is overwritten.
#pragma once

#include "device_sdk/slots/file_system.h"
#include "device_sdk/slots/state_record_codec.h"

namespace sluice::device {

class RecordPair {
 public:
  /// `dir` holds state.0 and state.1.
  RecordPair(FileSystem& files, const std::string& dir);

  /// Creates both copies, zero-filled: neither is a record yet.
  static Status Create(FileSystem& files, const std::string& dir);

  /// The newest valid record, or nothing. A copy that cannot be read counts as invalid.
  std::optional<StateRecord> Load();

  /// Gives `record` a gen above every one written or tried so far, writes it over the copy that
  /// does not hold the newest, and syncs. On error the newest record is what it was.
  Status Write(StateRecord& record);

  /// Gens continue above `gen`; for a record that was rebuilt.
  void ContinueAbove(std::uint64_t gen) { last_gen_ = std::max(last_gen_, gen); }

 private:
  FileSystem& files_;
  std::array<std::string, 2> paths_;
  int newest_copy_ = 1;  // so that the first write goes to state.0
  // A failed write may still be found after a restart, so its gen is not used again.
  std::uint64_t last_gen_ = 0;
};

}  // namespace sluice::device
