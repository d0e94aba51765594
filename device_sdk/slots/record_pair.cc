#include "device_sdk/slots/record_pair.h"

#include "device_sdk/slots/durable_file.h"

namespace sluice::device {
namespace {

std::array<std::string, 2> PathsIn(const std::string& dir) {
  return {dir + "/state.0", dir + "/state.1"};
}

}  // namespace

RecordPair::RecordPair(FileSystem& files, const std::string& dir)
    : files_(files), paths_(PathsIn(dir)) {}

Status RecordPair::Create(FileSystem& files, const std::string& dir) {
  for (const std::string& path : PathsIn(dir)) {
    SLUICE_TRY(CreateZeroed(files, path, kRecordBytes));
  }
  return {};
}

std::optional<StateRecord> RecordPair::Load() {
  const Bytes copy_0 = ReadWhole(files_, paths_[0], kRecordBytes).value_or(Bytes{});
  const Bytes copy_1 = ReadWhole(files_, paths_[1], kRecordBytes).value_or(Bytes{});
  std::optional<NewestRecord> newest = SelectNewest(copy_0, copy_1);
  if (!newest) return std::nullopt;
  newest_copy_ = newest->copy;
  last_gen_ = newest->record.gen;
  return std::move(newest->record);
}

Status RecordPair::Write(StateRecord& record) {
#if SLUICE_MUTANT == 3
  const int copy = newest_copy_;
#else
  const int copy = 1 - newest_copy_;
#endif
  record.gen = ++last_gen_;
  const RecordBytes bytes = EncodeRecord(record);
  const std::string& path = paths_[static_cast<std::size_t>(copy)];
#if SLUICE_MUTANT == 2 || SLUICE_MUTANT == 4
  const bool is_writing = std::ranges::any_of(
      record.slots, [](const SlotRecord& slot) { return slot.state == SlotState::kWriting; });
  if (SLUICE_MUTANT == 2 || is_writing) {
    SLUICE_ASSIGN(const auto file, files_.Open(path, OpenMode::kReadWrite));
    newest_copy_ = copy;
    return file->WriteAt(0, bytes);
  }
#endif
  SLUICE_TRY(OverwriteInPlace(files_, path, 0, bytes));
  newest_copy_ = copy;
  return {};
}

}  // namespace sluice::device
