#include "rollout_engine/store/rocksdb_store.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <exception>
#include <filesystem>

#include "rollout_engine/store/keys.h"
#include "rollout_engine/store/store_lock.h"
#include "rollout_engine/store/synced_mark.h"

namespace sluice {
namespace {

constexpr int kOpenFilesMax = 128;
constexpr std::size_t kMemtableBytes = std::size_t{8} << 20;
constexpr std::size_t kBlockCacheBytes = std::size_t{16} << 20;
constexpr std::uint64_t kLogBytesMax = std::uint64_t{64} << 20;
constexpr std::size_t kBatchBytesMax = std::size_t{64} << 20;
constexpr int kReadOnlyAttempts = 20;  // a busy owner spoils one open in five

rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }
rocksdb::Slice ToSlice(ByteView bytes) { return ToSlice(AsText(bytes)); }
std::string_view ToText(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

/// RocksDB names the damaged file somewhere in its sentence, by path or by name; else the folder
/// has to do.
std::string FileNamedIn(const std::string& message, const std::string& path) {
  std::size_t begin = 0;
  while (begin < message.size()) {
    std::size_t end = message.find_first_of(" ,:;()", begin);
    if (end == std::string::npos) end = message.size();
    const std::string word = message.substr(begin, end - begin);
    if (word.ends_with(".sst") || word.ends_with(".log") ||
        word.find("MANIFEST-") != std::string::npos || word.ends_with("CURRENT")) {
      return (std::filesystem::path(path) / std::filesystem::path(word).filename()).string();
    }
    begin = end + 1;
  }
  return path;
}

Error StoreError(const rocksdb::Status& status, const std::string& path) {
  const std::string message = status.ToString();
  if (status.IsIOError() && !status.IsPathNotFound())
    return {ErrorCode::kStoreIo, path + ": " + message};
  return {ErrorCode::kStoreCorrupt, "file=" + FileNamedIn(message, path) + " (" + message +
                                        "); run 'sluice store verify' or restore a backup"};
}

/// RocksDB's own diary would be one more file on a full disk, and Debian's build asserts on the
/// second line that it cannot write there: the process would die instead of turning read-only.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::Options StoreOptions(bool create) {
  rocksdb::Options options;
  options.create_if_missing = create;
  options.paranoid_checks = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.max_open_files = kOpenFilesMax;
  options.write_buffer_size = kMemtableBytes;
  options.max_total_wal_size = kLogBytesMax;
  options.info_log = std::make_shared<NoLog>();
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

/// What the folder looks like before RocksDB touches it: left to itself it would make a new
/// database where CURRENT is missing, beside the orphaned files of the old one.
enum class Folder { kAbsent, kDatabase, kHeadless };

Result<Folder> LookAt(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return Folder::kAbsent;
  bool any = false;
  std::filesystem::directory_iterator entries(path, error);
  if (error) return Fail(ErrorCode::kStoreIo, path + ": " + error.message());
  for (const auto& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (name == "CURRENT") return Folder::kDatabase;
    any = any || name.ends_with(".sst") || name.ends_with(".log") ||
          name.starts_with("MANIFEST-") || name == SyncedMark::kFileName;
  }
  return any ? Folder::kHeadless : Folder::kAbsent;
}

using Database = std::unique_ptr<rocksdb::DB>;

Result<Database> OpenDatabase(const std::string& path, bool create, bool read_only) {
  const rocksdb::Options options = StoreOptions(create);
  rocksdb::DB* db = nullptr;
  try {
    const rocksdb::Status status = read_only ? rocksdb::DB::OpenForReadOnly(options, path, &db)
                                             : rocksdb::DB::Open(options, path, &db);
    Database owned(db);
    if (!status.ok()) return Fail(StoreError(status, path));
    return owned;
  } catch (const std::exception& error) {  // threads and memory that the system refuses
    return Fail(ErrorCode::kStoreIo, path + ": " + error.what());
  }
}

/// A database that holds everything that was synced, as far as its mark tells.
struct Whole {
  Database db;  // to read
  std::optional<std::uint64_t> mark;
};

Result<Whole> OpenWhole(const std::string& path) {
  // The mark first: beside a running owner the log is the newer of the two.
  SLUICE_ASSIGN(const std::optional<std::uint64_t> mark, SyncedMark::Read(path));
  SLUICE_ASSIGN(Database db, OpenDatabase(path, false, true));
  const std::uint64_t last = db->GetLatestSequenceNumber();
  if (mark && last < *mark) {
    return Fail(ErrorCode::kStoreCorrupt,
                "file=" + path + " (synced up to change " + std::to_string(*mark) +
                    ", readable up to " + std::to_string(last) + ": " +
                    std::to_string(*mark - last) + " lost; nothing was touched); restore a backup");
  }
  return Whole{std::move(db), mark};
}

}  // namespace

struct RocksdbStore::Impl {
  std::string path;
  std::optional<StoreLock> lock;  // released after the database is closed
  Database db;
  std::optional<SyncedMark> mark;  // of an owner
  std::string warning;
  std::atomic<bool> failed{false};
};

RocksdbStore::RocksdbStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksdbStore::~RocksdbStore() = default;

Result<std::unique_ptr<RocksdbStore>> RocksdbStore::Open(const std::string& path, Mode mode) {
  // An owner may remove a log or a table that a reader beside it is about to read.
  const int attempts = mode == Mode::kReadOnly ? kReadOnlyAttempts : 1;
  for (int attempt = 1;; ++attempt) {
    auto opened = OpenOnce(path, mode);
    if (opened || opened.error().code != ErrorCode::kStoreCorrupt || attempt == attempts)
      return opened;
  }
}

Result<std::unique_ptr<RocksdbStore>> RocksdbStore::OpenOnce(const std::string& path, Mode mode) {
  SLUICE_ASSIGN(const Folder folder, LookAt(path));
  if (folder == Folder::kHeadless) {
    return Fail(ErrorCode::kStoreCorrupt,
                "file=" + path + "/CURRENT (missing beside data); restore a backup");
  }
  if (folder == Folder::kAbsent && mode != Mode::kCreate) {
    return Fail(ErrorCode::kNotFound, "no store in " + path);
  }
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  const bool read_only = mode == Mode::kReadOnly;
  if (!read_only) {
    SLUICE_ASSIGN(impl->lock, StoreLock::Take(path + ".lock"));
  }
  std::optional<std::uint64_t> mark;
  if (folder == Folder::kDatabase) {
    // Also before writing: opened for that, RocksDB would throw away what it takes for a torn end.
    SLUICE_ASSIGN(Whole whole, OpenWhole(path));
    mark = whole.mark;
    if (!mark) {
      impl->warning = path + "/" + SyncedMark::kFileName +
                      " is missing or damaged: a log that was cut short before now goes unseen" +
                      (read_only ? "" : "; it was made anew");
    }
    if (read_only) impl->db = std::move(whole.db);
  }
  if (!read_only) {
    SLUICE_ASSIGN(impl->db, OpenDatabase(path, folder == Folder::kAbsent, false));
    // Opening has synced whatever the log held.
    const std::uint64_t change = mark.value_or(impl->db->GetLatestSequenceNumber());
    SLUICE_ASSIGN(impl->mark, SyncedMark::Create(path, change));
  }
  auto store = std::unique_ptr<RocksdbStore>(new RocksdbStore(std::move(impl)));
  SLUICE_TRY(store->Verify());
  SLUICE_TRY(store_key::CheckSchema(*store));
  return store;
}

Result<std::optional<Bytes>> RocksdbStore::Get(std::string_view key) const {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = impl_->db->Get(
      rocksdb::ReadOptions(), impl_->db->DefaultColumnFamily(), ToSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return Fail(StoreError(status, impl_->path));
  const ByteView bytes = AsBytes(ToText(value));
  return Bytes(bytes.begin(), bytes.end());
}

Status RocksdbStore::Write(const WriteBatch& batch, bool sync) {
  if (impl_->failed) {
    return Fail(
        ErrorCode::kStoreReadonly,
        impl_->path +
            ": a write failed before; free the disk or replace it, then restart the engine");
  }
  rocksdb::WriteBatch changes;
  for (const WriteBatch::Change& change : batch.changes()) {
    const rocksdb::Status added = change.value
                                      ? changes.Put(ToSlice(change.key), ToSlice(*change.value))
                                      : changes.Delete(ToSlice(change.key));
    if (!added.ok()) return Fail(StoreError(added, impl_->path));
  }
  if (changes.GetDataSize() > kBatchBytesMax) {
    return Fail(ErrorCode::kTooBig, "a batch of " + std::to_string(changes.GetDataSize()) +
                                        " bytes; at most " + std::to_string(kBatchBytesMax));
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = impl_->db->Write(options, &changes);
  Status done;
  if (!status.ok()) {
    done = Fail(StoreError(status, impl_->path));
  } else if (sync && impl_->mark) {
    done = impl_->mark->Write(impl_->db->GetLatestSequenceNumber());
  }
  impl_->failed = !done;
  return done;
}

Status RocksdbStore::Scan(
    std::string_view prefix,
    const std::function<bool(std::string_view key, ByteView value)>& visit) const {
  const std::unique_ptr<rocksdb::Iterator> entry(impl_->db->NewIterator(rocksdb::ReadOptions()));
  for (entry->Seek(ToSlice(prefix)); entry->Valid() && entry->key().starts_with(ToSlice(prefix));
       entry->Next()) {
    if (!visit(ToText(entry->key()), AsBytes(ToText(entry->value())))) return {};
  }
  if (!entry->status().ok()) return Fail(StoreError(entry->status(), impl_->path));
  return {};
}

const std::string& RocksdbStore::warning() const { return impl_->warning; }

Status RocksdbStore::Verify() const {
  const rocksdb::Status status = impl_->db->VerifyChecksum();
  if (!status.ok()) return Fail(StoreError(status, impl_->path));
  return {};
}

}  // namespace sluice
