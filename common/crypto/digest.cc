#include <wolfssl/options.h>
// options.h comes before every other wolfSSL header.
#include <unistd.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <cerrno>
#include <cstring>

#include "common/base/check.h"
#include "common/contract/limits.h"
#include "common/crypto/digest.h"

namespace sluice {
namespace {

constexpr std::size_t kReadSize = 64 * limits::kKiB;
// wolfCrypt counts in 32 bits.
constexpr std::size_t kUpdateMax = std::size_t{1} << 30;

}  // namespace

struct Sha256Stream::Impl {
  Impl() { SLUICE_CHECK(wc_InitSha256(&state) == 0); }
  ~Impl() { wc_Sha256Free(&state); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  wc_Sha256 state{};
};

Sha256Stream::Sha256Stream() : impl_(std::make_unique<Impl>()) {}
Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::Update(ByteView bytes) {
  while (!bytes.empty()) {
    const ByteView part = bytes.first(std::min(bytes.size(), kUpdateMax));
    SLUICE_CHECK(wc_Sha256Update(&impl_->state, part.data(), static_cast<word32>(part.size())) ==
                 0);
    bytes = bytes.subspan(part.size());
  }
}

Digest Sha256Stream::Finish() {
  Digest digest;
  SLUICE_CHECK(wc_Sha256Final(&impl_->state, digest.bytes.data()) == 0);
  return digest;
}

Digest Sha256(ByteView bytes) {
  Sha256Stream stream;
  stream.Update(bytes);
  return stream.Finish();
}

Result<FileDigest> Sha256OfFile(int fd) {
  Sha256Stream stream;
  FileDigest file;
  Bytes buffer(kReadSize);
  while (true) {
    const ssize_t got =
        pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(file.size_bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return Fail(ErrorCode::kIo,
                  "read at byte " + std::to_string(file.size_bytes) + ": " + std::strerror(errno));
    }
    if (got == 0) break;
    stream.Update(ByteView(buffer).first(static_cast<std::size_t>(got)));
    file.size_bytes += static_cast<std::uint64_t>(got);
  }
  file.sha256 = stream.Finish();
  return file;
}

Bytes BlockHashList(ByteView artifact) {
  Bytes list;
  while (!artifact.empty()) {
    const std::size_t size = std::min<std::size_t>(artifact.size(), limits::kManifestBlockSize);
    Append(list, Sha256(artifact.first(size)).View());
    artifact = artifact.subspan(size);
  }
  return list;
}

int PartitionOf(std::string_view device_id) {
  return Sha256(AsBytes(device_id)).bytes[0] & (limits::kPartitions - 1);
}

double CohortUnit(std::string_view salt, std::string_view device_id) {
  static constexpr std::uint8_t kSeparator = 0;
  Sha256Stream stream;
  stream.Update(AsBytes(salt));
  stream.Update({&kSeparator, 1});
  stream.Update(AsBytes(device_id));
  const Digest digest = stream.Finish();
  std::uint64_t first = 0;
  for (std::size_t i = 0; i < sizeof first; ++i) first = first << 8 | digest.bytes[i];
  return static_cast<double>(first >> 11) * 0x1.0p-53;
}

}  // namespace sluice
