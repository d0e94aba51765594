#include "device_sdk/examples/digits/descriptor.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice::digits {
namespace {

constexpr std::int64_t kBytesMax = std::int64_t{64} << 20;

tl::unexpected<Error> SystemError(const char* call) {
  return Fail(ErrorCode::kIo, std::string(call) + ": " + std::strerror(errno));
}

}  // namespace

Result<Bytes> ReadDescriptor(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return SystemError("fstat");
  if (!S_ISREG(status.st_mode)) return Fail(ErrorCode::kIo, "the descriptor is no regular file");
  if (status.st_size > kBytesMax) {
    return Fail(ErrorCode::kTooBig, std::to_string(status.st_size) + " bytes, at most 64 MiB");
  }
  Bytes bytes(static_cast<std::size_t>(status.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("pread");
    if (got == 0) return Fail(ErrorCode::kIo, "the file became shorter while it was read");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

Result<Mlp> LoadModel(ByteView bytes) {
  SLUICE_ASSIGN(const TensorFile file, ReadSafetensors(bytes));
  return FromTensors(file);
}

}  // namespace sluice::digits
