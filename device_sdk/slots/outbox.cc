#include "device_sdk/slots/outbox.h"

#include "device_sdk/slots/crc32c.h"
#include "device_sdk/slots/durable_file.h"
#include "device_sdk/slots/fixed_fields.h"

namespace sluice::device {
namespace {

constexpr std::uint32_t kHeadMagic = 0x484F4C53;  // "SLOH"
constexpr std::uint32_t kCellMagic = 0x524F4C53;  // "SLOR"
constexpr std::size_t kSectors = kOutboxBytes / kSectorBytes;
constexpr std::size_t kHeadSectors = 2;
constexpr std::size_t kCellHeadBytes = 32;
constexpr std::size_t kPieceBytesMax = kSectorPayloadBytes - kCellHeadBytes;

using Sector = std::array<std::uint8_t, kSectorBytes>;

std::size_t PiecesOf(std::size_t report_bytes) {
  return std::max<std::size_t>(1, (report_bytes + kPieceBytesMax - 1) / kPieceBytesMax);
}

struct CellHead {
  std::uint64_t seq = 0;
  std::uint32_t report_crc32c = 0;
  std::uint16_t report_bytes = 0;
  std::uint8_t piece = 0;
  std::uint8_t terminal = 0;
};

template <class Fields>
void LayOutCell(Fields& fields, CellHead& head) {
  fields.Constant(kCellMagic);
  fields.Number(head.seq);
  fields.Number(head.report_crc32c);
  fields.Number(head.report_bytes);
  fields.Number(head.piece);
  fields.Number(head.terminal);
}

std::optional<Sector> ReadSector(const File& file, std::size_t index) {
  Sector sector{};
  const Result<std::size_t> got = file.ReadAt(index * kSectorBytes, sector);
  if (!got || *got != kSectorBytes) return std::nullopt;
  const bool never_written = LoadLe<std::uint32_t>(sector.data()) == 0;
  if (never_written || !SectorIsWhole(sector)) return std::nullopt;
  return sector;
}

std::optional<CellHead> ReadCellHead(const Sector& sector) {
  CellHead head;
  FixedFieldReader fields(ByteView(sector).first(kCellHeadBytes));
  LayOutCell(fields, head);
  if (!fields.Finish() || head.report_bytes > limits::kReportBytesMax ||
      head.piece >= PiecesOf(head.report_bytes)) {
    return std::nullopt;
  }
  return head;
}

/// The pieces found of one report, by their place in it.
struct Gathering {
  CellHead head;
  std::map<std::uint8_t, std::pair<std::size_t, Sector>> pieces;  // sector number, sector
};

}  // namespace

Outbox::Outbox(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

Status Outbox::Create(FileSystem& files, const std::string& path) {
  return CreateZeroed(files, path, kOutboxBytes);
}

template <class Fields>
void Outbox::LayOut(Fields& fields, Head& head) {
  fields.Constant(kHeadMagic);
  fields.Number(head.write);
  fields.Number(head.dropped_through);
  fields.Number(head.last_seq);
}

void Outbox::Load() {
  head_ = {};
  pending_.clear();
  const auto file = files_.Open(path_, OpenMode::kRead);
  if (!file) return;
  LoadHead(**file);
  LoadReports(**file);
}

void Outbox::LoadHead(const File& file) {
  for (std::size_t i = 0; i < kHeadSectors; ++i) {
    const std::optional<Sector> sector = ReadSector(file, i);
    if (!sector) continue;
    Head head;
    FixedFieldReader fields(ByteView(*sector).first(kSectorPayloadBytes));
    LayOut(fields, head);
    if (fields.Finish() && head.write > head_.write) head_ = head;
  }
}

void Outbox::LoadReports(const File& file) {
  // The CRC is part of the key: pieces of a write that failed do not mix with those of its repeat.
  std::map<std::pair<std::uint64_t, std::uint32_t>, Gathering> reports;
  for (std::size_t i = kHeadSectors; i < kSectors; ++i) {
    const std::optional<Sector> sector = ReadSector(file, i);
    const std::optional<CellHead> head = sector ? ReadCellHead(*sector) : std::nullopt;
    if (!head) continue;
    head_.last_seq = std::max(head_.last_seq, head->seq);
    if (head->seq <= head_.dropped_through) continue;
    Gathering& gathering = reports[{head->seq, head->report_crc32c}];
    gathering.head = *head;
    gathering.pieces.try_emplace(head->piece, i, *sector);
  }
  for (const auto& [key, gathering] : reports) {
    const CellHead& head = gathering.head;
    if (gathering.pieces.size() != PiecesOf(head.report_bytes)) continue;
    Stored stored;
    stored.entry.seq = head.seq;
    stored.entry.terminal = head.terminal != 0;
    for (const auto& [piece, found] : gathering.pieces) {
      stored.cells.push_back(found.first);
      Append(stored.entry.report, ByteView(found.second).subspan(kCellHeadBytes, kPieceBytesMax));
    }
    stored.entry.report.resize(head.report_bytes);
    if (Crc32c(stored.entry.report) != head.report_crc32c) continue;
    pending_.try_emplace(head.seq, std::move(stored));
  }
}

std::vector<OutboxEntry> Outbox::Pending() const {
  std::vector<OutboxEntry> entries;
  entries.reserve(pending_.size());
  for (const auto& [seq, stored] : pending_) entries.push_back(stored.entry);
  return entries;
}

std::vector<std::size_t> Outbox::FreeCells() const {
  std::array<bool, kSectors> taken{};
  for (const auto& [seq, stored] : pending_) {
    for (const std::size_t cell : stored.cells) taken[cell] = true;
  }
  std::vector<std::size_t> free_cells;
  for (std::size_t i = kHeadSectors; i < kSectors; ++i) {
    if (!taken[i]) free_cells.push_back(i);
  }
  return free_cells;
}

Status Outbox::Push(const OutboxEntry& entry) {
  if (entry.seq <= head_.last_seq) {
    return Fail(ErrorCode::kState, "report seq " + std::to_string(entry.seq) +
                                       " was used; the next one is " +
                                       std::to_string(head_.last_seq + 1));
  }
  if (entry.report.size() > limits::kReportBytesMax) {
    return Fail(ErrorCode::kTooBig, "report of " + std::to_string(entry.report.size()) +
                                        " bytes, at most " +
                                        std::to_string(limits::kReportBytesMax));
  }
  const std::size_t need = PiecesOf(entry.report.size());
  std::vector<std::size_t> cells = FreeCells();
  std::vector<std::uint64_t> victims;
  for (auto it = pending_.begin(); it != pending_.end() && cells.size() < need; ++it) {
    if (it->second.entry.terminal) continue;
    victims.push_back(it->first);
    cells.insert(cells.end(), it->second.cells.begin(), it->second.cells.end());
  }
  if (cells.size() < need) {
    return Fail(ErrorCode::kQueueFull,
                "the outbox holds terminal reports only; connect, so that the engine takes them");
  }
  // A victim may be the report with the highest number: it is kept in the head before the victim's
  // cells are overwritten.
  if (!victims.empty()) SLUICE_TRY(WriteHead(head_));
  cells.resize(need);
  Stored stored{entry, std::move(cells)};
  SLUICE_TRY(WriteCells(stored));
  for (const std::uint64_t victim : victims) pending_.erase(victim);
  pending_.emplace(entry.seq, std::move(stored));
  head_.last_seq = entry.seq;
  return {};
}

Status Outbox::WriteCells(const Stored& report) {
  const ByteView bytes = report.entry.report;
  CellHead head;
  head.seq = report.entry.seq;
  head.report_crc32c = Crc32c(bytes);
  head.report_bytes = static_cast<std::uint16_t>(bytes.size());
  head.terminal = report.entry.terminal ? 1 : 0;
  SLUICE_ASSIGN(const auto file, files_.Open(path_, OpenMode::kReadWrite));
  for (std::size_t i = 0; i < report.cells.size(); ++i) {
    head.piece = static_cast<std::uint8_t>(i);
    Sector sector{};
    FixedFieldWriter fields(std::span{sector}.first<kCellHeadBytes>());
    LayOutCell(fields, head);
    const std::size_t from = i * kPieceBytesMax;
    const ByteView piece = bytes.subspan(from, std::min(kPieceBytesMax, bytes.size() - from));
    std::ranges::copy(piece, sector.begin() + kCellHeadBytes);
    SealSector(sector);
    SLUICE_TRY(file->WriteAt(report.cells[i] * kSectorBytes, sector));
  }
  return file->SyncData();
}

Status Outbox::DropThrough(std::uint64_t seq) {
  if (pending_.empty() || pending_.begin()->first > seq) return {};
  Head head = head_;
  // Never beyond what was pushed: later reports would count as dropped after a restart.
  head.dropped_through = std::min(seq, head_.last_seq);
  SLUICE_TRY(WriteHead(head));
  pending_.erase(pending_.begin(), pending_.upper_bound(seq));
  return {};
}

Status Outbox::WriteHead(Head head) {
  head.write = head_.write + 1;
  Sector sector{};
  FixedFieldWriter fields(std::span{sector}.first<kSectorPayloadBytes>());
  LayOut(fields, head);
  SealSector(sector);
  const std::uint64_t at = (head.write % kHeadSectors) * kSectorBytes;
  SLUICE_TRY(OverwriteInPlace(files_, path_, at, sector));
  head_ = head;
  return {};
}

}  // namespace sluice::device
