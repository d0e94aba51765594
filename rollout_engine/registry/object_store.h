// Objects as files named by their SHA-256: artifacts, manifests, hash lists, payloads, validation
// sets.
//
// Layout: FOLDER/objects/ab/<sha256>, mode 0644 in folders of 0755 so that the broker may read
// them, and FOLDER/objects/tmp for what is being written. An object is whole or absent: written to
// tmp, synced, renamed, its folder synced; never changed afterwards. Thread-safe.
#pragma once

#include <functional>
#include <string>

#include "common/base/bytes.h"
#include "common/contract/limits.h"
#include "common/crypto/digest.h"

namespace sluice {

struct ObjectInfo {
  Digest sha256;
  std::uint64_t size_bytes = 0;
  bool was_there = false;  // the same bytes were stored before
};

class ObjectStore {
 public:
  /// Makes the folders and drops what a crash left in tmp. REQUIRES: no other process writes into
  /// `folder`.
  static Result<ObjectStore> Open(const std::string& folder);
  /// Reads only: makes and drops nothing. E_NOT_FOUND when there is no objects folder.
  static Result<ObjectStore> OpenExisting(const std::string& folder);

  /// One object that is being received; dropped unless Commit succeeds. Not thread-safe.
  class Writer {
   public:
    Writer(Writer&& other) noexcept;
    Writer& operator=(Writer&& other) noexcept;
    ~Writer();
    /// E_ARTIFACT_TOO_BIG beyond the limit given to NewObject; E_NO_SPACE, E_IO.
    Status Append(ByteView bytes);
    /// Durable when it returns. E_ARTIFACT_EMPTY without a byte; E_ARTIFACT_HASH when `expected` is
    /// not zero and the bytes have another SHA-256.
    Result<ObjectInfo> Commit(const Digest& expected = {});

   private:
    friend class ObjectStore;
    Writer(const ObjectStore* store, int fd, std::string path, std::uint64_t size_max);
    void Drop();

    const ObjectStore* store_;
    int fd_;
    std::string path_;
    std::uint64_t size_max_;
    std::uint64_t size_bytes_ = 0;
    std::unique_ptr<Sha256Stream> hash_;
  };
  Result<Writer> NewObject(std::uint64_t size_max = limits::kPayloadBytesMax) const;

  Result<ObjectInfo> PutBytes(ByteView bytes) const;
  /// Copies a file. E_ARTIFACT_NOT_REGULAR (a link, a FIFO, a device), _EMPTY, _TOO_BIG, _CHANGED
  /// (while it was read).
  [[nodiscard]] Result<ObjectInfo> PutFile(
      const std::string& path, std::uint64_t size_max = limits::kArtifactBytesMax) const;

  [[nodiscard]] bool Has(const Digest& object) const { return SizeOf(object).has_value(); }
  /// E_NOT_FOUND.
  [[nodiscard]] Result<std::uint64_t> SizeOf(const Digest& object) const;
  /// Fills `out` without a look at the hash: whoever receives the bytes checks them. E_CHUNK_RANGE
  /// beyond the end.
  [[nodiscard]] Status ReadAt(const Digest& object, std::uint64_t offset,
                              std::span<std::uint8_t> out) const;
  /// All bytes, at most `size_max` (E_TOO_BIG), checked against the name: E_OBJECT_HASH when the
  /// file is damaged.
  [[nodiscard]] Result<Bytes> Read(const Digest& object, std::uint64_t size_max) const;
  /// Reads the whole file and compares: E_OBJECT_HASH.
  [[nodiscard]] Status Verify(const Digest& object) const;
  /// In the order of the digests, until `visit` returns false.
  [[nodiscard]] Status List(const std::function<bool(const Digest&)>& visit) const;

  /// Where an object lies or would lie.
  [[nodiscard]] std::string PathOf(const Digest& object) const;

 private:
  explicit ObjectStore(std::string objects) : objects_(std::move(objects)) {}
  /// Gives the synced file in tmp its name, unless the object is there and undamaged.
  [[nodiscard]] Result<bool> Install(const std::string& temporary, const Digest& object) const;

  std::string objects_;
};

}  // namespace sluice
