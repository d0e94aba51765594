#include "tests/support/sim_file_system.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "common/base/check.h"

namespace sluice::test_support {
namespace {

constexpr std::uint64_t kSectorBytes = 512;
constexpr std::uint64_t kBlockBytes = 4096;  // what allocation rounds to; also the price of a name

tl::unexpected<Error> Refused(ErrorCode code, const std::string& path, const char* why) {
  return Fail(code, path + ": " + why);
}

std::uint64_t BlocksOf(std::uint64_t size_bytes) {
  return std::max<std::uint64_t>(1, (size_bytes + kBlockBytes - 1) / kBlockBytes) * kBlockBytes;
}

std::string ParentPath(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  SLUICE_CHECK(slash != std::string::npos);
  return path.substr(0, slash);
}

std::string LastName(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

}  // namespace

class SimFile final : public device::File {
 public:
  SimFile(SimFileSystem& disk, int node, std::string path, bool writable)
      : disk_(disk),
        node_(node),
        path_(std::move(path)),
        writable_(writable),
        session_(disk.session_) {}

  Result<std::uint64_t> Size() const override {
    SLUICE_TRY(CheckOpen());
    return std::uint64_t{Seen().size()};
  }

  Result<std::size_t> ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    SLUICE_TRY(CheckOpen());
    const Bytes& bytes = Seen();
    if (offset >= bytes.size()) return std::size_t{0};
    const std::size_t count = std::min<std::size_t>(out.size(), bytes.size() - offset);
    std::memcpy(out.data(), bytes.data() + offset, count);
    return count;
  }

  Status WriteAt(std::uint64_t offset, ByteView bytes) override {
    SLUICE_TRY(CheckWritable());
    return disk_.Write(node_, path_, offset, bytes);
  }
  Status Allocate(std::uint64_t size_bytes) override {
    SLUICE_TRY(CheckWritable());
    return disk_.Allocate(node_, path_, size_bytes);
  }
  Status SyncData() override { return Sync(); }
  Status Sync() override {
    SLUICE_TRY(CheckOpen());
    return disk_.Sync(node_, path_);
  }

  // Pages that wait are dirty and stay; the others are read again, and show what a sync lost.
  Status DropCache() const override {
    SLUICE_TRY(CheckOpen());
    auto& node = disk_.nodes_.at(node_);
    if (node.waiting.empty()) node.seen = node.durable;
    return {};
  }

  Result<int> DuplicateDescriptor() const override {
    SLUICE_TRY(CheckOpen());
    const int fd = memfd_create("sim_file", MFD_CLOEXEC);
    SLUICE_CHECK(fd >= 0);
    const Bytes& bytes = Seen();
    SLUICE_CHECK(pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    return fd;
  }

 private:
  [[nodiscard]] const Bytes& Seen() const { return disk_.nodes_.at(node_).seen.bytes; }
  [[nodiscard]] Status CheckOpen() const {
    if (disk_.session_ == session_ && !disk_.power_is_off_) return {};
    return Refused(ErrorCode::kStoreIo, path_, "opened by a process that is gone");
  }
  [[nodiscard]] Status CheckWritable() const {
    if (!writable_) return Refused(ErrorCode::kStoreIo, path_, "opened for reading");
    return CheckOpen();
  }

  SimFileSystem& disk_;
  int node_;
  std::string path_;
  bool writable_;
  std::uint64_t session_;
};

class SimFileLock final : public device::FileLock {
 public:
  SimFileLock(SimFileSystem& disk, int node) : disk_(disk), node_(node), session_(disk.session_) {}
  ~SimFileLock() override {
    if (disk_.session_ == session_) disk_.locked_.erase(node_);
  }
  SimFileLock(const SimFileLock&) = delete;
  SimFileLock& operator=(const SimFileLock&) = delete;

 private:
  SimFileSystem& disk_;
  int node_;
  std::uint64_t session_;
};

void SimFileSystem::Contents::Apply(const Change& change) {
  if (const auto* write = std::get_if<SectorWrite>(&change)) {
    const std::uint64_t end = write->offset + write->bytes.size();
    if (bytes.size() < end) bytes.resize(end);
    std::memcpy(bytes.data() + write->offset, write->bytes.data(), write->bytes.size());
  } else if (const auto* resize = std::get_if<Resize>(&change)) {
    if (bytes.size() < resize->size_bytes) bytes.resize(resize->size_bytes);
  } else {
    for (const auto& [name, node] : std::get<NameChange>(change).names) {
      if (node) {
        names[name] = *node;
      } else {
        names.erase(name);
      }
    }
  }
}

SimFileSystem::SimFileSystem(std::uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {
  nodes_[0].directory = true;
}

SimFileSystem::SimFileSystem(const SimFileSystem& other)
    : nodes_(other.nodes_),
      next_node_(other.next_node_),
      capacity_bytes_(other.capacity_bytes_),
      read_only_(other.read_only_),
      copies_on_write_(other.copies_on_write_),
      operations_(other.operations_) {}

// Every operation that can change the disk is: its own checks, Begin, the effect, End.
Status SimFileSystem::Begin(const std::string& path) {
  if (power_is_off_) return Refused(ErrorCode::kStoreIo, path, "the power is off");
  if (read_only_) return Refused(ErrorCode::kStoreIo, path, "read-only file system");
  operations_ += 1;
  if (operations_ != fault_at_) return {};
  fault_met_ = true;
  if (fault_ == Fault::kNoSpace) return Refused(ErrorCode::kNoSpace, path, "no space (injected)");
  if (fault_ == Fault::kPowerOff) return {};
  return Refused(ErrorCode::kStoreIo, path, "I/O error (injected)");
}

Status SimFileSystem::End(const std::string& path) {
  if (!FaultIsNow(Fault::kPowerOff)) return {};
  power_is_off_ = true;
  return Refused(ErrorCode::kStoreIo, path, "the power went off");
}

bool SimFileSystem::FaultIsNow(Fault fault) const {
  return operations_ == fault_at_ && fault_ == fault;
}

void SimFileSystem::InjectAt(std::uint64_t operation, Fault fault, std::uint64_t seed) {
  fault_at_ = operation;
  fault_ = fault;
  fault_random_ = SeededRandom(seed);
  fault_met_ = false;
}

Result<int> SimFileSystem::Find(const std::string& path) const {
  if (power_is_off_) return Refused(ErrorCode::kStoreIo, path, "the power is off");
  if (path == "/") return 0;
  int node = 0;
  std::size_t at = 0;
  while (at < path.size()) {
    SLUICE_CHECK(path[at] == '/');
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    const auto& names = nodes_.at(node).seen.names;
    const auto found = names.find(path.substr(at + 1, end - at - 1));
    if (found == names.end()) return Refused(ErrorCode::kNotFound, path, "no such file");
    node = found->second;
    at = end;
  }
  return node;
}

Result<int> SimFileSystem::FindParent(const std::string& path) const {
  return Find(ParentPath(path));
}

Result<std::unique_ptr<device::File>> SimFileSystem::Open(const std::string& path,
                                                          device::OpenMode mode) {
  Result<int> node = Find(path);
  if (mode == device::OpenMode::kCreate) {
    if (node) return Refused(ErrorCode::kConflict, path, "exists");
    SLUICE_ASSIGN(const int parent, FindParent(path));
    if (!HasFree(kBlockBytes)) return Refused(ErrorCode::kNoSpace, path, "no space");
    SLUICE_TRY(Begin(path));
    node = next_node_++;
    nodes_[*node] = Node{};
    SLUICE_TRY(Enqueue(parent, NameChange{{{LastName(path), *node}}}, path));
  }
  if (!node) return Fail(node.error());
  if (nodes_.at(*node).directory) return Refused(ErrorCode::kStoreIo, path, "is a directory");
  if (mode == device::OpenMode::kReadWrite && read_only_) {
    return Refused(ErrorCode::kStoreIo, path, "read-only file system");
  }
  return std::make_unique<SimFile>(*this, *node, path, mode != device::OpenMode::kRead);
}

// Takes effect for the process at once and waits for a sync.
Status SimFileSystem::Enqueue(int node, Change change, const std::string& path) {
  Node& changed = nodes_.at(node);
  changed.seen.Apply(change);
  changed.waiting.push_back(std::move(change));
  return End(path);
}

Status SimFileSystem::Write(int node, const std::string& path, std::uint64_t offset,
                            ByteView bytes) {
  Node& written = nodes_.at(node);
  const std::uint64_t before = written.seen.bytes.size();
  const std::uint64_t after = std::max<std::uint64_t>(before, offset + bytes.size());
  if (!HasFree(BlocksOf(after) - BlocksOf(before)) ||
      (copies_on_write_ && !HasFree(BlocksOf(bytes.size())))) {
    return Refused(ErrorCode::kNoSpace, path, "no space");
  }
  Status begun = Begin(path);
  if (!begun && !FaultIsNow(Fault::kShortWrite)) return begun;
  if (!begun) bytes = bytes.first(fault_random_.Below(bytes.size() + 1));
  while (!bytes.empty()) {
    const std::uint64_t room = kSectorBytes - offset % kSectorBytes;
    const ByteView piece = bytes.first(std::min<std::size_t>(bytes.size(), room));
    SectorWrite write{offset, Bytes(piece.begin(), piece.end())};
    written.seen.Apply(write);
    written.waiting.emplace_back(std::move(write));
    offset += piece.size();
    bytes = bytes.subspan(piece.size());
  }
  SLUICE_TRY(begun);
  return End(path);
}

Status SimFileSystem::Allocate(int node, const std::string& path, std::uint64_t size_bytes) {
  const std::uint64_t before = nodes_.at(node).seen.bytes.size();
  if (!HasFree(BlocksOf(std::max(before, size_bytes)) - BlocksOf(before))) {
    return Refused(ErrorCode::kNoSpace, path, "no space");
  }
  SLUICE_TRY(Begin(path));
  return Enqueue(node, Resize{size_bytes}, path);
}

Status SimFileSystem::Sync(int node, const std::string& path) {
  Status begun = Begin(path);
  if (power_is_off_ || read_only_) return begun;
  if (begun && FaultIsNow(Fault::kPowerOff)) return End(path);
  Node& synced = nodes_.at(node);
  for (const Change& change : synced.waiting) {
    const bool lost = !begun && fault_random_.Below(2) == 0;
    if (!lost) synced.durable.Apply(change);
  }
  synced.waiting.clear();
  return begun;
}

Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  SLUICE_CHECK(ParentPath(from) == ParentPath(to));
  SLUICE_ASSIGN(const int node, Find(from));
  SLUICE_ASSIGN(const int parent, FindParent(from));
  SLUICE_TRY(Begin(from));
  return Enqueue(parent, NameChange{{{LastName(from), std::nullopt}, {LastName(to), node}}}, from);
}

Status SimFileSystem::Unlink(const std::string& path) {
  SLUICE_TRY(Find(path));
  SLUICE_ASSIGN(const int parent, FindParent(path));
  SLUICE_TRY(Begin(path));
  return Enqueue(parent, NameChange{{{LastName(path), std::nullopt}}}, path);
}

Status SimFileSystem::MakeDirectory(const std::string& path) {
  if (Find(path)) return Refused(ErrorCode::kConflict, path, "exists");
  SLUICE_ASSIGN(const int parent, FindParent(path));
  if (!HasFree(kBlockBytes)) return Refused(ErrorCode::kNoSpace, path, "no space");
  SLUICE_TRY(Begin(path));
  const int node = next_node_++;
  nodes_[node].directory = true;
  return Enqueue(parent, NameChange{{{LastName(path), node}}}, path);
}

Status SimFileSystem::SyncDirectory(const std::string& path) {
  SLUICE_ASSIGN(const int node, Find(path));
  return Sync(node, path);
}

Result<std::vector<std::string>> SimFileSystem::List(const std::string& path) const {
  SLUICE_ASSIGN(const int node, Find(path));
  std::vector<std::string> names;
  for (const auto& [name, child] : nodes_.at(node).seen.names) names.push_back(name);
  return names;
}

Result<std::uint64_t> SimFileSystem::FreeBytes(const std::string& path) const {
  SLUICE_TRY(Find(path));
  const std::uint64_t used = UsedBytes();
  return used < capacity_bytes_ ? capacity_bytes_ - used : 0;
}

Result<std::unique_ptr<device::FileLock>> SimFileSystem::Lock(const std::string& path) {
  SLUICE_ASSIGN(const int node, Find(path));
  if (!locked_.insert(node).second) return Refused(ErrorCode::kLocked, path, "held by pid 1");
  return std::make_unique<SimFileLock>(*this, node);
}

std::uint64_t SimFileSystem::UsedBytes() const {
  std::uint64_t used = 0;
  for (const auto& [id, node] : nodes_) {
    for (const auto& [name, child] : node.seen.names) {
      used += BlocksOf(nodes_.at(child).seen.bytes.size());
    }
  }
  return used;
}

bool SimFileSystem::HasFree(std::uint64_t bytes) const {
  return bytes == 0 || UsedBytes() + bytes <= capacity_bytes_;
}

std::size_t SimFileSystem::pending_units() const {
  std::size_t units = 0;
  for (const auto& [id, node] : nodes_) units += node.waiting.size();
  return units;
}

void SimFileSystem::Crash(const std::function<bool()>& keep) {
  for (auto& [id, node] : nodes_) {
    for (const Change& change : node.waiting) {
      if (keep()) node.durable.Apply(change);
    }
    node.waiting.clear();
    node.seen = node.durable;
  }
  DropUnreachable();
  power_is_off_ = false;
  RestartProcess();
}

void SimFileSystem::RestartProcess() {
  SLUICE_CHECK(!power_is_off_);
  session_ += 1;
  locked_.clear();
  fault_at_ = 0;
}

void SimFileSystem::DropUnreachable() {
  std::set<int> reachable{0};
  for (const auto& [id, node] : nodes_) {
    for (const auto& [name, child] : node.durable.names) reachable.insert(child);
  }
  std::erase_if(nodes_, [&](const auto& entry) { return !reachable.contains(entry.first); });
}

void SimFileSystem::Rot(const std::string& path, std::uint64_t offset, std::uint8_t bits) {
  Node& node = nodes_.at(Find(path).value());
  node.seen.bytes.at(offset) ^= bits;
  node.durable.bytes.at(offset) ^= bits;
}

}  // namespace sluice::test_support
