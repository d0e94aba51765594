// A file system in memory that knows what is durable: for crashes at every operation, disk faults,
// full disks.
//
// What a process sees and what a disk holds are kept apart. Writes (sector by sector), lengths and
// names wait until they are synced; a crash keeps any subset of what waits. A failed sync keeps a
// seeded half and forgets the rest, although the process still reads all of it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <variant>

#include "common/base/random.h"
#include "device_sdk/slots/file_system.h"

namespace sluice::test_support {

enum class Fault {
  kPowerOff,    // the operation is under way, then nothing works until Crash
  kIoError,     // no effect; a sync loses half of what waits
  kNoSpace,     // no effect; a sync loses half of what waits
  kShortWrite,  // a write stops in the middle; any other operation as kIoError
};

class SimFileSystem final : public device::FileSystem {
 public:
  explicit SimFileSystem(std::uint64_t capacity_bytes = std::uint64_t{1} << 30);
  /// A copy is a second disk in the same state. Nothing is open or locked on it.
  SimFileSystem(const SimFileSystem& other);
  SimFileSystem& operator=(const SimFileSystem&) = delete;

  [[nodiscard]] Result<std::unique_ptr<device::File>> Open(const std::string& path,
                                                           device::OpenMode mode) override;
  [[nodiscard]] Status Rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Status Unlink(const std::string& path) override;
  [[nodiscard]] Status MakeDirectory(const std::string& path) override;
  [[nodiscard]] Status SyncDirectory(const std::string& path) override;
  [[nodiscard]] Result<std::vector<std::string>> List(const std::string& path) const override;
  [[nodiscard]] Result<std::uint64_t> FreeBytes(const std::string& path) const override;
  [[nodiscard]] bool CopiesOnWrite(const std::string&) const override { return copies_on_write_; }
  [[nodiscard]] Result<std::unique_ptr<device::FileLock>> Lock(const std::string& path) override;

  /// Operations that changed the disk or met an injected fault, since the beginning.
  [[nodiscard]] std::uint64_t operations() const { return operations_; }
  /// The operation with that number (the first is 1) meets `fault`. `seed` decides what is lost.
  void InjectAt(std::uint64_t operation, Fault fault, std::uint64_t seed = 0);
  [[nodiscard]] bool fault_met() const { return fault_met_; }

  /// Things that wait for a sync: sectors, lengths, names.
  [[nodiscard]] std::size_t pending_units() const;
  /// The power fails and comes back. `keep` is asked once per waiting thing, in a fixed order.
  void Crash(const std::function<bool()>& keep);
  /// The process dies; everything written stays readable and goes on waiting. Also ends a fault.
  void RestartProcess();

  void set_capacity_bytes(std::uint64_t bytes) { capacity_bytes_ = bytes; }
  /// No byte can be allocated any more.
  void Fill() { capacity_bytes_ = UsedBytes(); }
  void set_read_only(bool read_only) { read_only_ = read_only; }
  void set_copies_on_write(bool copies) { copies_on_write_ = copies; }
  /// Flips bits of one byte, on the disk and in the cache. REQUIRES: the file has that byte.
  void Rot(const std::string& path, std::uint64_t offset, std::uint8_t bits = 0xFF);

 private:
  friend class SimFile;
  friend class SimFileLock;

  struct SectorWrite {
    std::uint64_t offset;
    Bytes bytes;
  };
  struct Resize {
    std::uint64_t size_bytes;
  };
  /// Atomic: a rename changes two names.
  struct NameChange {
    std::map<std::string, std::optional<int>> names;  // nothing = no longer there
  };
  using Change = std::variant<SectorWrite, Resize, NameChange>;
  struct Contents {
    Bytes bytes;                       // of a file
    std::map<std::string, int> names;  // of a directory
    void Apply(const Change& change);
  };
  struct Node {
    bool directory = false;
    Contents seen;
    Contents durable;
    std::vector<Change> waiting;
  };

  Status Begin(const std::string& path);
  Status End(const std::string& path);
  [[nodiscard]] bool FaultIsNow(Fault fault) const;
  [[nodiscard]] Result<int> Find(const std::string& path) const;
  [[nodiscard]] Result<int> FindParent(const std::string& path) const;
  Status Enqueue(int node, Change change, const std::string& path);
  Status Sync(int node, const std::string& path);
  Status Write(int node, const std::string& path, std::uint64_t offset, ByteView bytes);
  Status Allocate(int node, const std::string& path, std::uint64_t size_bytes);
  [[nodiscard]] std::uint64_t UsedBytes() const;
  [[nodiscard]] bool HasFree(std::uint64_t bytes) const;
  void DropUnreachable();

  std::map<int, Node> nodes_;  // 0 is the root directory
  int next_node_ = 1;
  std::uint64_t capacity_bytes_;
  bool read_only_ = false;
  bool copies_on_write_ = false;

  std::uint64_t operations_ = 0;
  std::uint64_t fault_at_ = 0;
  Fault fault_ = Fault::kPowerOff;
  SeededRandom fault_random_{0};
  bool fault_met_ = false;
  bool power_is_off_ = false;

  std::uint64_t session_ = 0;  // what an earlier process opened is closed
  std::set<int> locked_;
};

}  // namespace sluice::test_support
