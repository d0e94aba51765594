#include "device_sdk/slots/durable_file.h"

namespace sluice::device {

Result<Bytes> ReadWhole(FileSystem& files, const std::string& path, std::size_t bytes_max) {
  SLUICE_ASSIGN(const auto file, files.Open(path, OpenMode::kRead));
  SLUICE_ASSIGN(const std::uint64_t size_bytes, file->Size());
  if (size_bytes > bytes_max) {
    return Fail(ErrorCode::kTooBig, path + " has " + std::to_string(size_bytes) +
                                        " bytes, at most " + std::to_string(bytes_max) +
                                        " belong there");
  }
  Bytes bytes(size_bytes);
  SLUICE_ASSIGN(const std::size_t got, file->ReadAt(0, bytes));
  bytes.resize(got);
  return bytes;
}

Status OverwriteInPlace(FileSystem& files, const std::string& path, std::uint64_t offset,
                        ByteView bytes) {
  SLUICE_ASSIGN(const auto file, files.Open(path, OpenMode::kReadWrite));
  SLUICE_TRY(file->WriteAt(offset, bytes));
  return file->SyncData();
}

Result<std::unique_ptr<File>> CreateAnew(FileSystem& files, const std::string& path) {
  SLUICE_TRY(UnlinkIfThere(files, path));
  return files.Open(path, OpenMode::kCreate);
}

Status CreateZeroed(FileSystem& files, const std::string& path, std::size_t size_bytes) {
  SLUICE_ASSIGN(const auto file, CreateAnew(files, path));
  SLUICE_TRY(file->WriteAt(0, Bytes(size_bytes)));
  return file->Sync();
}

Status ReplaceWhole(FileSystem& files, const std::string& path, ByteView bytes) {
  const std::string temporary = path + ".new";
  {
    SLUICE_ASSIGN(const auto file, CreateAnew(files, temporary));
    SLUICE_TRY(file->WriteAt(0, bytes));
    SLUICE_TRY(file->Sync());
  }
  return files.Rename(temporary, path);
}

Status MakeDirectoryIfMissing(FileSystem& files, const std::string& path) {
  Status made = files.MakeDirectory(path);
  if (!made && made.error().code == ErrorCode::kConflict) return {};
  return made;
}

Status UnlinkIfThere(FileSystem& files, const std::string& path) {
  Status unlinked = files.Unlink(path);
  if (!unlinked && unlinked.error().code == ErrorCode::kNotFound) return {};
  return unlinked;
}

}  // namespace sluice::device
