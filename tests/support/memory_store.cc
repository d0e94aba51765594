#include "tests/support/memory_store.h"

namespace sluice {

Result<std::optional<Bytes>> MemoryStore::Get(std::string_view key) const {
  const auto found = content_.find(key);
  if (found == content_.end()) return std::nullopt;
  return found->second;
}

Status MemoryStore::Write(const WriteBatch& batch, bool sync) {
  ++writes_;
  if (failed_) return Fail(ErrorCode::kStoreReadonly, "a write failed before");
  if (fail_at_ == writes_) {
    failed_ = true;
    return Fail(ErrorCode::kStoreIo,
                "write " + std::to_string(writes_) + " fails as the test asked");
  }
  for (const WriteBatch::Change& change : batch.changes()) {
    const auto held = content_.find(change.key);
    unsynced_.push_back({change.key, std::nullopt});
    if (held != content_.end()) unsynced_.back().value_before = std::move(held->second);
    if (change.value) {
      content_[change.key] = *change.value;
    } else if (held != content_.end()) {
      content_.erase(held);
    }
  }
  if (sync) {
    unsynced_.clear();
    ++synced_writes_;
  }
  return {};
}

Status MemoryStore::Scan(
    std::string_view prefix,
    const std::function<bool(std::string_view key, ByteView value)>& visit) const {
  for (auto entry = content_.lower_bound(prefix); entry != content_.end(); ++entry) {
    if (!entry->first.starts_with(prefix) || !visit(entry->first, entry->second)) break;
  }
  return {};
}

void MemoryStore::Crash() {
  for (auto change = unsynced_.rbegin(); change != unsynced_.rend(); ++change) {
    if (change->value_before) {
      content_[change->key] = std::move(*change->value_before);
    } else {
      content_.erase(change->key);
    }
  }
  unsynced_.clear();
  fail_at_.reset();
  failed_ = false;
}

}  // namespace sluice
