#include "device_sdk/slots/directive_pair.h"

#include "common/crypto/digest.h"
#include "device_sdk/slots/durable_file.h"

namespace sluice::device {
namespace {

// A sector with the length, then the envelope. The digest in the state record vouches for both.
constexpr std::size_t kEnvelopeAt = kSectorBytes;
constexpr std::size_t kFileBytes = kEnvelopeAt + limits::kDirectiveBytesMax;

std::array<std::string, 2> PathsIn(const std::string& dir) {
  return {dir + "/directive.0", dir + "/directive.1"};
}

}  // namespace

DirectivePair::DirectivePair(FileSystem& files, const std::string& dir)
    : files_(files), paths_(PathsIn(dir)) {}

Status DirectivePair::Create(FileSystem& files, const std::string& dir) {
  for (const std::string& path : PathsIn(dir)) SLUICE_TRY(CreateZeroed(files, path, kFileBytes));
  return {};
}

Status DirectivePair::Write(ByteView envelope, const Digest& in_force) {
  if (envelope.size() > limits::kDirectiveBytesMax) {
    return Fail(ErrorCode::kTooBig, "directive of " + std::to_string(envelope.size()) +
                                        " bytes, at most " +
                                        std::to_string(limits::kDirectiveBytesMax));
  }
  Bytes bytes(kEnvelopeAt);
  StoreLe(bytes.data(), static_cast<std::uint32_t>(envelope.size()));
  Append(bytes, envelope);
  const std::size_t place = ReadPlace(0, in_force) ? 1 : 0;
  return OverwriteInPlace(files_, paths_[place], 0, bytes);
}

Result<Bytes> DirectivePair::Read(const Digest& digest) const {
  for (std::size_t place = 0; place < paths_.size(); ++place) {
    if (auto envelope = ReadPlace(place, digest)) return *std::move(envelope);
  }
  return Fail(ErrorCode::kNotFound, "no stored directive has digest " + digest.Short());
}

std::optional<Bytes> DirectivePair::ReadPlace(std::size_t place, const Digest& digest) const {
  const Result<Bytes> bytes = ReadWhole(files_, paths_[place], kFileBytes);
  if (!bytes || bytes->size() != kFileBytes) return std::nullopt;
  const auto length = LoadLe<std::uint32_t>(bytes->data());
  if (length > limits::kDirectiveBytesMax) return std::nullopt;
  const ByteView envelope = ByteView(*bytes).subspan(kEnvelopeAt, length);
  if (Sha256(envelope) != digest) return std::nullopt;
  return Bytes(envelope.begin(), envelope.end());
}

}  // namespace sluice::device
