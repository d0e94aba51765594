// The store on disk: RocksDB in a folder that one process owns.
//
// Get and Scan from any thread; Write from one at a time.
#pragma once

#include <memory>
#include <string>

#include "rollout_engine/store/store.h"

namespace sluice {

class RocksdbStore final : public Store {
 public:
  enum class Mode {
    kCreate,    // made if it is not there
    kExisting,  // E_NOT_FOUND if it is not there
    kReadOnly,  // beside a running owner: what it had written when this was opened
  };

  /// Takes `path`.lock (not in kReadOnly), sees that nothing of what was synced is missing,
  /// recovers, reads every block against its checksum and checks the schema. E_LOCKED, E_NOT_FOUND,
  /// E_STORE_CORRUPT with the file, E_STORE_SCHEMA, E_STORE_IO. Never repairs, and never starts
  /// empty where there was data.
  static Result<std::unique_ptr<RocksdbStore>> Open(const std::string& path, Mode mode);
  ~RocksdbStore() override;

  [[nodiscard]] Result<std::optional<Bytes>> Get(std::string_view key) const override;
  /// E_STORE_IO once when the disk fails, then E_STORE_READONLY until the store is opened again:
  /// after a failed sync nobody knows what is on the disk.
  Status Write(const WriteBatch& batch, bool sync) override;
  Status Scan(
      std::string_view prefix,
      const std::function<bool(std::string_view key, ByteView value)>& visit) const override;

  /// Reads every block against its checksum.
  [[nodiscard]] Status Verify() const;
  /// One line about what Open could not check, for people; empty when there was nothing.
  [[nodiscard]] const std::string& warning() const;

 private:
  struct Impl;
  explicit RocksdbStore(std::unique_ptr<Impl> impl);
  static Result<std::unique_ptr<RocksdbStore>> OpenOnce(const std::string& path, Mode mode);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
