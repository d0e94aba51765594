// A file as random access bytes for the decoders.
#pragma once

#include "common/payload/block_decoder.h"
#include "device_sdk/slots/file_system.h"

namespace sluice::device {

/// Its size is taken once, when it is made.
class FileSource final : public ByteSource {
 public:
  static Result<std::unique_ptr<FileSource>> Open(FileSystem& files, const std::string& path) {
    SLUICE_ASSIGN(auto file, files.Open(path, OpenMode::kRead));
    SLUICE_ASSIGN(const std::uint64_t size_bytes, file->Size());
    return std::unique_ptr<FileSource>(new FileSource(std::move(file), size_bytes));
  }

  [[nodiscard]] std::uint64_t size() const override { return size_bytes_; }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    SLUICE_ASSIGN(const std::size_t got, file_->ReadAt(offset, out));
    if (got == out.size()) return {};
    return Fail(ErrorCode::kStoreIo, "the file became shorter while it was read");
  }

 private:
  FileSource(std::unique_ptr<File> file, std::uint64_t size_bytes)
      : file_(std::move(file)), size_bytes_(size_bytes) {}

  std::unique_ptr<File> file_;
  std::uint64_t size_bytes_;
};

}  // namespace sluice::device
