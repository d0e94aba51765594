#include "rollout_engine/registry/object_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "rollout_engine/registry/file_io.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCopyBytes = std::size_t{256} * 1024;
constexpr mode_t kObjectMode = 0644;
constexpr mode_t kFolderMode = 0755;

Status MakeFolder(const std::string& path) {
  std::error_code error;
  if (fs::create_directories(path, error)) return SyncFolder(fs::path(path).parent_path().string());
  if (error) return Fail(FileError(path, error.value()));
  return {};
}

/// Whatever the umask: the broker's user passes through it to the objects, and an older folder is
/// mended.
Status MakeReadableFolder(const std::string& path) {
  SLUICE_TRY(MakeFolder(path));
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return Fail(FileError(path, errno));
  if ((status.st_mode & kFolderMode) == kFolderMode) return {};
  if (::chmod(path.c_str(), kFolderMode) != 0) return Fail(FileError(path, errno));
  return {};
}

Error TooBig(const std::string& name, std::uint64_t size_bytes, std::uint64_t size_max) {
  return {ErrorCode::kArtifactTooBig,
          name + ": " + std::to_string(size_bytes) + " bytes; at most " + std::to_string(size_max)};
}

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec && a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
         a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

/// O_NONBLOCK keeps a FIFO without a writer from hanging us; O_NOFOLLOW refuses a link.
Result<FileDescriptor> OpenArtifact(const std::string& path, struct stat& status,
                                    std::uint64_t size_max) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) {
    if (errno == ENOENT) return Fail(ErrorCode::kNotFound, path + ": no such file");
    if (errno == ELOOP)
      return Fail(ErrorCode::kArtifactNotRegular, path + ": a link; name the file itself");
    if (errno == ENXIO) return Fail(ErrorCode::kArtifactNotRegular, path + ": not a regular file");
    return Fail(FileError(path, errno));
  }
  if (::fstat(file.get(), &status) != 0) return Fail(FileError(path, errno));
  if (!S_ISREG(status.st_mode))
    return Fail(ErrorCode::kArtifactNotRegular, path + ": not a regular file");
  if (status.st_size == 0) return Fail(ErrorCode::kArtifactEmpty, path + ": has no bytes");
  const auto size_bytes = static_cast<std::uint64_t>(status.st_size);
  if (size_bytes > size_max) return Fail(TooBig(path, size_bytes, size_max));
  return file;
}

}  // namespace

ObjectStore::Writer::Writer(const ObjectStore* store, int fd, std::string path,
                            std::uint64_t size_max)
    : store_(store),
      fd_(fd),
      path_(std::move(path)),
      size_max_(size_max),
      hash_(std::make_unique<Sha256Stream>()) {}

ObjectStore::Writer::Writer(Writer&& other) noexcept
    : store_(other.store_),
      fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      size_max_(other.size_max_),
      size_bytes_(other.size_bytes_),
      hash_(std::move(other.hash_)) {}

ObjectStore::Writer& ObjectStore::Writer::operator=(Writer&& other) noexcept {
  std::swap(store_, other.store_);
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(size_max_, other.size_max_);
  std::swap(size_bytes_, other.size_bytes_);
  std::swap(hash_, other.hash_);
  return *this;
}

ObjectStore::Writer::~Writer() { Drop(); }

void ObjectStore::Writer::Drop() {
  if (fd_ < 0) return;
  ::close(std::exchange(fd_, -1));
  ::unlink(path_.c_str());
}

Status ObjectStore::Writer::Append(ByteView bytes) {
  if (bytes.size() > size_max_ - size_bytes_)
    return Fail(TooBig("object", size_bytes_ + bytes.size(), size_max_));
  SLUICE_TRY(WriteAll(fd_, bytes, path_));
  hash_->Update(bytes);
  size_bytes_ += bytes.size();
  return {};
}

Result<ObjectInfo> ObjectStore::Writer::Commit(const Digest& expected) {
  if (size_bytes_ == 0) return Fail(ErrorCode::kArtifactEmpty, "object has no bytes");
  const Digest sha256 = hash_->Finish();
  if (!expected.IsZero() && sha256 != expected) {
    return Fail(ErrorCode::kArtifactHash,
                "received sha256 " + sha256.Hex() + ", not " + expected.Hex() + "; send it again");
  }
  if (::fchmod(fd_, kObjectMode) != 0 || ::fsync(fd_) != 0) return Fail(FileError(path_, errno));
  SLUICE_ASSIGN(const bool was_there, store_->Install(path_, sha256));
  Drop();
  return ObjectInfo{sha256, size_bytes_, was_there};
}

Result<ObjectStore> ObjectStore::Open(const std::string& folder) {
  ObjectStore store(folder + "/objects");
  const std::string temporaries = store.objects_ + "/tmp";
  SLUICE_TRY(MakeReadableFolder(store.objects_));
  SLUICE_TRY(MakeFolder(temporaries));
  std::error_code error;
  for (const auto& left_over : fs::directory_iterator(temporaries, error)) {
    fs::remove(left_over.path(), error);
  }
  if (error) return Fail(FileError(temporaries, error.value()));
  return store;
}

Result<ObjectStore> ObjectStore::OpenExisting(const std::string& folder) {
  ObjectStore store(folder + "/objects");
  std::error_code error;
  if (!fs::is_directory(store.objects_, error))
    return Fail(ErrorCode::kNotFound, "no objects in " + folder);
  return store;
}

Result<ObjectStore::Writer> ObjectStore::NewObject(std::uint64_t size_max) const {
  std::string path = objects_ + "/tmp/XXXXXX";
  const int fd = ::mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) return Fail(FileError(path, errno));
  return Writer(this, fd, std::move(path), size_max);
}

Result<ObjectInfo> ObjectStore::PutBytes(ByteView bytes) const {
  SLUICE_ASSIGN(Writer writer, NewObject());
  SLUICE_TRY(writer.Append(bytes));
  return writer.Commit();
}

Result<ObjectInfo> ObjectStore::PutFile(const std::string& path, std::uint64_t size_max) const {
  struct stat before {};
  SLUICE_ASSIGN(const FileDescriptor file, OpenArtifact(path, before, size_max));
  SLUICE_ASSIGN(Writer writer, NewObject(size_max));
  const Error changed{ErrorCode::kArtifactChanged,
                      path + ": changed while it was read; try again when it is complete"};
  Bytes buffer(kCopyBytes);
  auto left = static_cast<std::uint64_t>(before.st_size);
  for (std::uint64_t offset = 0; left > 0;) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(left, buffer.size()));
    if (!ReadExactly(file.get(), offset, part, path)) return Fail(changed);
    SLUICE_TRY(writer.Append(part));
    offset += part.size();
    left -= part.size();
  }
  struct stat after {};
  if (::fstat(file.get(), &after) != 0) return Fail(FileError(path, errno));
  if (!SameFile(before, after)) return Fail(changed);
  return writer.Commit();
}

Result<bool> ObjectStore::Install(const std::string& temporary, const Digest& object) const {
  if (Has(object) && Verify(object)) return true;
  const std::string path = PathOf(object);
  const std::string folder = fs::path(path).parent_path().string();
  SLUICE_TRY(MakeReadableFolder(folder));
  // rename, not link: a damaged object of that name is replaced in the same step
  if (::rename(temporary.c_str(), path.c_str()) != 0) return Fail(FileError(path, errno));
  SLUICE_TRY(SyncFolder(folder));
  return false;
}

Result<std::uint64_t> ObjectStore::SizeOf(const Digest& object) const {
  const std::string path = PathOf(object);
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return static_cast<std::uint64_t>(status.st_size);
  if (errno == ENOENT) return Fail(ErrorCode::kNotFound, "object " + object.Hex());
  return Fail(FileError(path, errno));
}

Status ObjectStore::ReadAt(const Digest& object, std::uint64_t offset,
                           std::span<std::uint8_t> out) const {
  const std::string path = PathOf(object);
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() && errno == ENOENT) return Fail(ErrorCode::kNotFound, "object " + object.Hex());
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) return Fail(FileError(path, errno));
  const auto size_bytes = static_cast<std::uint64_t>(status.st_size);
  if (offset > size_bytes || out.size() > size_bytes - offset) {
    return Fail(ErrorCode::kChunkRange, "bytes " + std::to_string(offset) + " to " +
                                            std::to_string(offset + out.size()) +
                                            " of an object of " + std::to_string(size_bytes));
  }
  return ReadExactly(file.get(), offset, out, path);
}

Result<Bytes> ObjectStore::Read(const Digest& object, std::uint64_t size_max) const {
  SLUICE_ASSIGN(const std::uint64_t size_bytes, SizeOf(object));
  if (size_bytes > size_max) {
    return Fail(ErrorCode::kTooBig, "object " + object.Hex() + " has " +
                                        std::to_string(size_bytes) + " bytes; at most " +
                                        std::to_string(size_max));
  }
  Bytes bytes(static_cast<std::size_t>(size_bytes));
  SLUICE_TRY(ReadAt(object, 0, bytes));
  if (Sha256(bytes) != object) {
    return Fail(ErrorCode::kObjectHash, PathOf(object) + ": damaged; publish the release again");
  }
  return bytes;
}

Status ObjectStore::Verify(const Digest& object) const {
  const std::string path = PathOf(object);
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return Fail(ErrorCode::kNotFound, "object " + object.Hex());
  SLUICE_ASSIGN(const FileDigest found, Sha256OfFile(file.get()));
  if (found.sha256 != object) {
    return Fail(ErrorCode::kObjectHash, path + ": damaged; publish the release again");
  }
  return {};
}

Status ObjectStore::List(const std::function<bool(const Digest&)>& visit) const {
  std::vector<Digest> objects;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(objects_, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto digest = DigestFromHex(entry->path().filename().string());
    if (digest && entry->path() == PathOf(*digest)) objects.push_back(*digest);
  }
  if (error) return Fail(FileError(objects_, error.value()));
  std::sort(objects.begin(), objects.end());
  for (const Digest& object : objects) {
    if (!visit(object)) break;
  }
  return {};
}

std::string ObjectStore::PathOf(const Digest& object) const {
  const std::string hex = object.Hex();
  return objects_ + "/" + hex.substr(0, 2) + "/" + hex;
}

}  // namespace sluice
