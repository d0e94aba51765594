// The machine's file system through POSIX calls.
#pragma once

#include "device_sdk/slots/file_system.h"

namespace sluice::device {

/// Creates files 0600 and directories 0700; no descriptor survives exec.
class PosixFileSystem final : public FileSystem {
 public:
  [[nodiscard]] Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  [[nodiscard]] Status Rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Status Unlink(const std::string& path) override;
  [[nodiscard]] Status MakeDirectory(const std::string& path) override;
  [[nodiscard]] Status SyncDirectory(const std::string& path) override;
  [[nodiscard]] Result<std::vector<std::string>> List(const std::string& path) const override;
  [[nodiscard]] Result<std::uint64_t> FreeBytes(const std::string& path) const override;
  [[nodiscard]] bool CopiesOnWrite(const std::string& path) const override;
  [[nodiscard]] Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
};

}  // namespace sluice::device
