// The store port in memory, for tests: counts writes, fails the Nth one, and forgets what was not
// synced when it "crashes".
#pragma once

#include <cstddef>
#include <map>
#include <optional>

#include "rollout_engine/store/store.h"

namespace sluice {

class MemoryStore final : public Store {
 public:
  [[nodiscard]] Result<std::optional<Bytes>> Get(std::string_view key) const override;
  Status Write(const WriteBatch& batch, bool sync) override;
  Status Scan(
      std::string_view prefix,
      const std::function<bool(std::string_view key, ByteView value)>& visit) const override;

  /// The `nth` write from now (1 = the next) changes nothing and returns E_STORE_IO; all after it
  /// E_STORE_READONLY.
  void FailWrite(std::size_t nth) { fail_at_ = writes_ + nth; }
  /// Power is lost and comes back: batches after the last synced one are gone, a failed store takes
  /// writes again.
  void Crash();

  [[nodiscard]] std::size_t writes() const { return writes_; }
  [[nodiscard]] std::size_t synced_writes() const { return synced_writes_; }
  using Content = std::map<std::string, Bytes, std::less<>>;
  [[nodiscard]] const Content& content() const { return content_; }

 private:
  struct Unsynced {
    std::string key;
    std::optional<Bytes> value_before;
  };
  Content content_;
  std::vector<Unsynced> unsynced_;  // oldest first
  std::size_t writes_ = 0;
  std::size_t synced_writes_ = 0;
  std::optional<std::size_t> fail_at_;
  bool failed_ = false;
};

}  // namespace sluice
