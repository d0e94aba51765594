// One slot's folder: the model, the manifest beside it, the part being written, its journal, the
// stamp.
//
//   model.bin  model.part  manifest.env  progress (1 KiB)  confirmed (512 B)
#pragma once

#include "device_sdk/slots/confirmed_stamp.h"
#include "device_sdk/slots/progress_journal.h"

namespace sluice::device {

class SlotFiles {
 public:
  SlotFiles(FileSystem& files, std::string dir);

  /// Creates the folder with a journal and a stamp of zeros. An existing folder is taken over.
  static Status Create(FileSystem& files, const std::string& dir);

  /// Bytes that Reserve would free: model.bin and model.part.
  [[nodiscard]] Result<std::uint64_t> OwnedBytes() const;

  // Unless they say otherwise, the methods below are SlotStore's methods of the same names for this
  // slot.
  Result<SlotProgress> Reserve(const SlotPlan& plan);
  Status WriteBlock(std::uint64_t offset, ByteView bytes, SlotProgress progress);
  [[nodiscard]] Result<std::unique_ptr<ByteSource>> OpenPart() const;
  Status Finish(ByteView manifest_envelope);
  /// For a model that is whole and now stands in another manifest too.
  Status ReplaceManifest(ByteView manifest_envelope);
  [[nodiscard]] Result<OpenSlot> OpenAndHash() const;
  [[nodiscard]] Result<Bytes> ReadManifest() const;

  Status WriteStamp(const ConfirmedStamp& stamp);
  Status ClearStamp();
  [[nodiscard]] std::optional<ConfirmedStamp> ReadStamp() const;

 private:
  [[nodiscard]] std::string Path(std::string_view name) const;
  std::optional<SlotProgress> TryResume(const SlotPlan& plan);
  Status StartAnew(const SlotPlan& plan);
  Status AllocatePart(std::uint64_t size_bytes);
  Status SyncPart(File& part, Status (File::*sync)());

  FileSystem& files_;
  std::string dir_;
  ProgressJournal journal_;
  // After a failed sync nobody knows what the part holds: it is given up for a new file.
  bool part_is_lost_ = false;
};

}  // namespace sluice::device
