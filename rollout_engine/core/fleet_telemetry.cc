#include "rollout_engine/core/fleet_telemetry.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "common/base/check.h"
#include "rollout_engine/core/look_numbers.h"

namespace sluice {
namespace {

constexpr std::size_t kSlotsMin = 16;
constexpr std::size_t kLoadPercent = 80;
constexpr std::size_t kRoomToGrow = 8;  // counters gain a byte now and then

/// FNV-1a, mixed: ids often differ in their last letters only.
std::uint64_t HashOf(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  hash ^= hash >> 32;
  return hash * 0x9e3779b97f4a7c15;
}

std::uint16_t TagOf(std::uint64_t hash) { return static_cast<std::uint16_t>(hash >> 48); }

}  // namespace

void FleetTelemetry::FreeEntry::operator()(Entry* entry) const { ::operator delete(entry); }

FleetTelemetry::OwnedEntry FleetTelemetry::NewEntry(std::string_view device, ByteView record,
                                                    std::uint16_t hash) {
  const std::size_t room = device.size() + record.size() + kRoomToGrow;
  SLUICE_CHECK(room <= UINT16_MAX);
  void* const memory = ::operator new(sizeof(Entry) + room);
  auto* const entry = new (memory) Entry{.id_size = static_cast<std::uint16_t>(device.size()),
                                         .record_size = static_cast<std::uint16_t>(record.size()),
                                         .capacity = static_cast<std::uint16_t>(room),
                                         .hash = hash};
  auto* const data = reinterpret_cast<std::uint8_t*>(entry) + sizeof(Entry);
  std::copy(device.begin(), device.end(), data);
  std::copy(record.begin(), record.end(), data + device.size());
  return OwnedEntry(entry);
}

/// Where it is, or the free slot where it would be. REQUIRES: a free slot.
std::size_t FleetTelemetry::SlotOf(std::string_view device, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  const auto is_other = [&](Place place) {
    return entries_[place]->hash != TagOf(hash) || entries_[place]->Id() != device;
  };
  while (slots_[at] != kFree && is_other(slots_[at])) at = (at + 1) & mask;
  return at;
}

FleetTelemetry::Entry* FleetTelemetry::Find(std::string_view device) const {
  const std::optional<Place> place = PlaceOf(device);
  return place ? entries_[*place].get() : nullptr;
}

void FleetTelemetry::Grow() {
  slots_.assign(std::max(kSlotsMin, slots_.size() * 2), kFree);
  for (std::size_t place = 0; place < entries_.size(); ++place) {
    const std::string_view id = entries_[place]->Id();
    slots_[SlotOf(id, HashOf(id))] = static_cast<Place>(place);
  }
}

void FleetTelemetry::Write(std::string_view device, ByteView record) {
  if ((size() + 1) * 100 > slots_.size() * kLoadPercent) Grow();
  const std::uint64_t hash = HashOf(device);
  Place& place = slots_[SlotOf(device, hash)];
  if (place == kFree) {
    SLUICE_CHECK(size() < kFree);
    place = static_cast<Place>(size());
    entries_.push_back(NewEntry(device, record, TagOf(hash)));
    return;
  }
  OwnedEntry& entry = entries_[place];
  if (device.size() + record.size() > entry->capacity) {
    entry = NewEntry(device, record, TagOf(hash));
    return;
  }
  std::copy(record.begin(), record.end(), entry->MutableRecord());
  entry->record_size = static_cast<std::uint16_t>(record.size());
}

std::optional<FleetTelemetry::Place> FleetTelemetry::PlaceOf(std::string_view device) const {
  if (slots_.empty()) return std::nullopt;
  const Place place = slots_[SlotOf(device, HashOf(device))];
  return place == kFree ? std::nullopt : std::optional(place);
}

std::optional<DeviceTotals> FleetTelemetry::Get(std::string_view device, TotalsPart part) const {
  const Entry* const entry = Find(device);
  if (entry == nullptr) return std::nullopt;
  std::optional<DeviceTotals> totals = UnpackTotals(entry->Record(), part);
  SLUICE_CHECK(totals.has_value());
  return totals;
}

void FleetTelemetry::Put(std::string_view device, const DeviceTotals& totals) {
  Write(device, PackTotals(totals));
}

ByteView FleetTelemetry::RecordOf(std::string_view device) const {
  const Entry* const entry = Find(device);
  return entry == nullptr ? ByteView() : entry->Record();
}

bool FleetTelemetry::PutRecord(std::string_view device, ByteView record) {
  if (!UnpackTotals(record)) return false;
  Write(device, record);
  return true;
}

void FleetTelemetry::SetLastHeard(std::string_view device, BootMs at) {
  Entry* const entry = Find(device);
  if (entry == nullptr) {
    Update(device, [&](DeviceTotals& totals) { totals.last_heard = at; });
    return;
  }
  const auto value = static_cast<std::uint64_t>(at.ms);
  for (std::size_t i = 0; i < 8; ++i)
    entry->MutableRecord()[record::kLastHeardAt + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

BootMs FleetTelemetry::LastHeard(std::string_view device) const {
  const Entry* const entry = Find(device);
  if (entry == nullptr) return DeviceTotals().last_heard;
  return RecordHead(entry->Record()).last_heard();
}

}  // namespace sluice
