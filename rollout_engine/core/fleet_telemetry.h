// The telemetry totals of a whole fleet in little memory: a packed record per device, found by the
// device's id.
//
// A record is also what the store keeps. A million devices fit into 300 bytes each, with a day of
// history and an open window.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/base/bytes.h"
#include "rollout_engine/core/telemetry_totals.h"

namespace sluice {

/// Lossless, whatever the totals hold.
Bytes PackTotals(const DeviceTotals& totals);
/// Which parts of a record to unpack: the marks are most of it, and no look needs them.
enum class TotalsPart : std::uint8_t { kAll, kWithoutMarks };
/// Nothing for bytes that PackTotals did not make.
std::optional<DeviceTotals> UnpackTotals(ByteView record, TotalsPart part = TotalsPart::kAll);

class FleetTelemetry {
 public:
  FleetTelemetry() = default;
  FleetTelemetry(FleetTelemetry&&) noexcept = default;
  FleetTelemetry& operator=(FleetTelemetry&&) noexcept = default;

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool Contains(std::string_view device) const { return Find(device) != nullptr; }
  /// Nothing for a device that was never put.
  [[nodiscard]] std::optional<DeviceTotals> Get(std::string_view device,
                                                TotalsPart part = TotalsPart::kAll) const;
  void Put(std::string_view device, const DeviceTotals& totals);
  /// The record of one device, empty if there is none, and back. False for bytes that are none.
  [[nodiscard]] ByteView RecordOf(std::string_view device) const;
  bool PutRecord(std::string_view device, ByteView record);

  /// A place that a device keeps: to come back to its record without its id. Nothing for a device
  /// that was never put.
  using Place = std::uint32_t;
  [[nodiscard]] std::optional<Place> PlaceOf(std::string_view device) const;
  [[nodiscard]] ByteView RecordAt(Place place) const { return entries_[place]->Record(); }
  [[nodiscard]] std::string_view IdAt(Place place) const { return entries_[place]->Id(); }
  /// Asks for a record that is soon read: a look would wait for most of them.
  void Prefetch(Place place) const {
    constexpr std::size_t kLine = 64;
    const char* const entry = reinterpret_cast<const char*>(entries_[place].get());
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + kLine);
  }

  /// Without unpacking the rest. An absent device is added.
  void SetLastHeard(std::string_view device, BootMs at);
  [[nodiscard]] BootMs LastHeard(std::string_view device) const;

  /// Changes the totals of one device, new or not; returns what `change` returns.
  template <class Change>
  auto Update(std::string_view device, Change change) {
    DeviceTotals totals = Get(device).value_or(DeviceTotals{});
    if constexpr (std::is_void_v<decltype(change(totals))>) {
      change(totals);
      Put(device, totals);
    } else {
      auto result = change(totals);
      Put(device, totals);
      return result;
    }
  }

  /// Calls `visit(device, record)` for every device, in the order of their places.
  template <class Visit>
  void ForEach(Visit visit) const {
    for (const auto& entry : entries_) visit(entry->Id(), entry->Record());
  }

 private:
  /// One allocation: this head, the id, the record and room for it to grow.
  struct Entry {
    std::uint16_t id_size = 0;
    std::uint16_t record_size = 0;
    std::uint16_t capacity = 0;  // of id and record
    std::uint16_t hash = 0;      // its upper bits: most misses end here

    [[nodiscard]] const char* Data() const {
      return reinterpret_cast<const char*>(this) + sizeof(Entry);
    }
    [[nodiscard]] std::uint8_t* MutableRecord() {
      return reinterpret_cast<std::uint8_t*>(this) + sizeof(Entry) + id_size;
    }
    [[nodiscard]] std::string_view Id() const { return {Data(), id_size}; }
    [[nodiscard]] ByteView Record() const {
      return {reinterpret_cast<const std::uint8_t*>(Data()) + id_size, record_size};
    }
  };
  struct FreeEntry {
    void operator()(Entry* entry) const;
  };
  using OwnedEntry = std::unique_ptr<Entry, FreeEntry>;

  static OwnedEntry NewEntry(std::string_view device, ByteView record, std::uint16_t hash);
  [[nodiscard]] Entry* Find(std::string_view device) const;
  [[nodiscard]] std::size_t SlotOf(std::string_view device, std::uint64_t hash) const;
  void Write(std::string_view device, ByteView record);
  void Grow();

  static constexpr Place kFree = UINT32_MAX;
  std::vector<Place> slots_;  // by the hash of the id, open addressing; a power of two
  std::vector<OwnedEntry> entries_;
};

}  // namespace sluice
