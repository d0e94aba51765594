// The engine's store port: ordered keys, atomic batches, one writer.
//
// Thread-safe for reads; Write from one thread at a time. E_STORE_IO, E_STORE_CORRUPT,
// E_STORE_READONLY (after a failed write nothing is accepted any more: issue nothing and tell the
// operator).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"

namespace sluice {

/// Puts and deletes that become visible and durable together.
class WriteBatch {
 public:
  struct Change {
    std::string key;
    std::optional<Bytes> value;  // nothing = delete
  };
  void Put(std::string key, Bytes value) { changes_.push_back({std::move(key), std::move(value)}); }
  void Put(std::string key, std::string_view value) {
    const ByteView bytes = AsBytes(value);
    Put(std::move(key), Bytes(bytes.begin(), bytes.end()));
  }
  void Delete(std::string key) { changes_.push_back({std::move(key), std::nullopt}); }
  [[nodiscard]] bool empty() const { return changes_.empty(); }
  [[nodiscard]] const std::vector<Change>& changes() const { return changes_; }
  void clear() { changes_.clear(); }

 private:
  std::vector<Change> changes_;
};

class Store {
 public:
  virtual ~Store() = default;
  [[nodiscard]] virtual Result<std::optional<Bytes>> Get(std::string_view key) const = 0;
  /// Durable when it returns OK iff `sync`; an unsynced batch may be lost with power, never torn,
  /// never out of order.
  virtual Status Write(const WriteBatch& batch, bool sync) = 0;
  /// Calls `visit` for each key with that prefix in byte order, until it returns false.
  virtual Status Scan(
      std::string_view prefix,
      const std::function<bool(std::string_view key, ByteView value)>& visit) const = 0;
};

}  // namespace sluice
