#include "common/crypto/keys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>

#include "common/base/check.h"
#include "common/crypto/digest.h"
#include "common/crypto/signature.h"

namespace sluice {
namespace {

constexpr std::string_view kPrivateWord = "sluice-private-key";
constexpr std::string_view kPublicWord = "sluice-public-key";
constexpr std::size_t kKeyFileBytesMax = 512;

std::string_view AlgorithmName(SignatureAlgorithm algorithm) {
  return algorithm == SignatureAlgorithm::kEd25519 ? "ed25519" : "p256";
}

std::optional<SignatureAlgorithm> AlgorithmFromName(std::string_view name) {
  for (const SignatureAlgorithm algorithm :
       {SignatureAlgorithm::kEd25519, SignatureAlgorithm::kEcdsaP256}) {
    if (AlgorithmName(algorithm) == name) return algorithm;
  }
  return std::nullopt;
}

struct KeyLine {
  SignatureAlgorithm algorithm;
  Bytes bytes;
};

std::string FormatKeyLine(std::string_view word, SignatureAlgorithm algorithm, ByteView bytes) {
  std::string line(word);
  line += ' ';
  line += AlgorithmName(algorithm);
  line += ' ';
  line += ToHex(bytes);
  return line;
}

/// "WORD ALGORITHM HEX", one newline at the end allowed. The text itself never gets into an error:
/// it may be secret.
Result<KeyLine> ParseKeyLine(std::string_view word, std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  const std::size_t first = text.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : text.find(' ', first + 1);
  if (second == std::string_view::npos || text.substr(0, first) != word) {
    return Fail(ErrorCode::kKeyFormat,
                "a key is one line: " + std::string(word) + " ed25519|p256 HEX");
  }
  const auto algorithm = AlgorithmFromName(text.substr(first + 1, second - first - 1));
  if (!algorithm) return Fail(ErrorCode::kKeyFormat, "unknown algorithm, use ed25519 or p256");
  Result<Bytes> bytes = FromHex(text.substr(second + 1));
  if (!bytes) return Fail(ErrorCode::kKeyFormat, bytes.error().text);
  return KeyLine{*algorithm, std::move(*bytes)};
}

template <class Container>
void Wipe(Container& secret) {
  explicit_bzero(secret.data(), secret.size());
}

tl::unexpected<Error> IoFailure(std::string_view action, const std::string& path, int error) {
  return Fail(ErrorCode::kIo, std::string(action) + " " + path + ": " + strerror(error));
}

Status WriteAndSync(int fd, const std::string& path, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return IoFailure("write", path, errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(fd) != 0) return IoFailure("sync", path, errno);
  return {};
}

}  // namespace

Digest KeyId(const PublicKey& key) {
  const auto algorithm = static_cast<std::uint8_t>(key.algorithm);
  Sha256Stream stream;
  stream.Update({&algorithm, 1});
  stream.Update(key.raw);
  return stream.Finish();
}

struct SigningKey::Impl {
  Impl(SignatureAlgorithm algorithm, const Secret& secret_bytes)
      : secret(secret_bytes), public_key(PublicKeyOf(algorithm, secret_bytes)) {}
  ~Impl() { Wipe(secret); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Secret secret;
  PublicKey public_key;
};

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::Generate(SignatureAlgorithm algorithm, Random& random) {
  Secret secret;
  // A P-256 scalar is refused about once in 2^32 draws.
  do {
    random.Fill(secret);
  } while (!IsSecret(algorithm, secret));
  SigningKey key(std::make_unique<Impl>(algorithm, secret));
  Wipe(secret);
  return key;
}

Result<SigningKey> SigningKey::FromText(std::string_view text) {
  SLUICE_ASSIGN(KeyLine line, ParseKeyLine(kPrivateWord, text));
  if (line.bytes.size() != kSecretSize) {
    return Fail(ErrorCode::kKeyFormat, "a private key has 32 bytes");
  }
  Secret secret;
  std::copy(line.bytes.begin(), line.bytes.end(), secret.begin());
  Wipe(line.bytes);
  if (!IsSecret(line.algorithm, secret)) {
    return Fail(ErrorCode::kKeyFormat, "the private key is out of the range of its curve");
  }
  SigningKey key(std::make_unique<Impl>(line.algorithm, secret));
  Wipe(secret);
  return key;
}

std::string SigningKey::ToText() const {
  return FormatKeyLine(kPrivateWord, impl_->public_key.algorithm, impl_->secret);
}

const PublicKey& SigningKey::Public() const { return impl_->public_key; }

Signature SigningKey::Sign(ByteView message) const {
  return {impl_->public_key.algorithm, KeyId(impl_->public_key),
          SignRaw(impl_->public_key, impl_->secret, message)};
}

std::string PublicKeyToText(const PublicKey& key) {
  return FormatKeyLine(kPublicWord, key.algorithm, key.raw);
}

Result<PublicKey> PublicKeyFromText(std::string_view text) {
  SLUICE_ASSIGN(KeyLine line, ParseKeyLine(kPublicWord, text));
  PublicKey key{line.algorithm, std::move(line.bytes)};
  SLUICE_TRY(CheckPublicKey(key));
  return key;
}

Result<SigningKey> LoadSigningKey(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file && errno == ENOENT) return Fail(ErrorCode::kNotFound, path + ": no such file");
  if (!file) return IoFailure("open", path, errno);
  std::string text(kKeyFileBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return IoFailure("read", path, errno);
  text.resize(static_cast<std::size_t>(file.gcount()));
  Result<SigningKey> key = SigningKey::FromText(text);
  Wipe(text);
  if (!key) return Fail(key.error().With(path));
  return key;
}

Status SaveSigningKey(const std::string& path, const SigningKey& key) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 && errno == EEXIST) {
    return Fail(ErrorCode::kConflict, path + " exists; a key file is never overwritten");
  }
  if (fd < 0) return IoFailure("create", path, errno);
  std::string text = key.ToText() + "\n";
  Status written = WriteAndSync(fd, path, text);
  Wipe(text);
  if (close(fd) != 0 && written) written = IoFailure("close", path, errno);
  if (!written) unlink(path.c_str());  // half a key is worse than none
  return written;
}

}  // namespace sluice
