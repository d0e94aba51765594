// The ring of reports that no Answer covers yet: 64 KiB preallocated, written in place.
//
// 128 sectors. The first two hold, in turn, what outlives the reports: the number up to which they
// were dropped and the highest one used. Every other sector is a cell with one piece of one report;
// a report counts when all its pieces are whole.
#pragma once

#include <map>

#include "device_sdk/slots/file_system.h"
#include "device_sdk/slots/sector.h"
#include "device_sdk/slots/slot_store.h"

namespace sluice::device {

inline constexpr std::size_t kOutboxBytes = 65'536;

class Outbox {
 public:
  Outbox(FileSystem& files, std::string path);

  /// Creates the file; the caller syncs the directory.
  static Status Create(FileSystem& files, const std::string& path);

  /// Takes up what is on disk. A sector that is rotten or cannot be read costs its report only.
  void Load();

  /// E_STATE unless entry.seq > last_seq(); E_TOO_BIG over limits::kReportBytesMax; E_QUEUE_FULL
  /// when only terminal reports are left to make room; else as OverwriteInPlace.
  Status Push(const OutboxEntry& entry);
  Status DropThrough(std::uint64_t seq);

  [[nodiscard]] std::vector<OutboxEntry> Pending() const;
  [[nodiscard]] std::uint64_t last_seq() const { return head_.last_seq; }

 private:
  struct Head {
    std::uint64_t write = 0;  // counts writes of the head; the higher of two is the newer
    std::uint64_t dropped_through = 0;
    std::uint64_t last_seq = 0;
  };
  struct Stored {
    OutboxEntry entry;
    std::vector<std::size_t> cells;  // sector numbers
  };

  template <class Fields>
  static void LayOut(Fields& fields, Head& head);
  void LoadHead(const File& file);
  void LoadReports(const File& file);
  Status WriteHead(Head head);
  Status WriteCells(const Stored& report);
  [[nodiscard]] std::vector<std::size_t> FreeCells() const;

  FileSystem& files_;
  std::string path_;
  Head head_;
  std::map<std::uint64_t, Stored> pending_;  // by seq
};

}  // namespace sluice::device
