#include "device_sdk/slots/state_record_codec.h"

#include "common/crypto/digest.h"
#include "device_sdk/slots/fixed_fields.h"

namespace sluice::device {
namespace {

constexpr std::uint32_t kRecordMagic = 0x52534C53;  // "SLSR"
constexpr std::uint32_t kRecordFormat = 1;

constexpr std::size_t kSectors = kRecordBytes / kSectorBytes;
constexpr std::size_t kPayloadBytes = kSectors * kSectorPayloadBytes;
constexpr std::size_t kHashedBytes = kPayloadBytes - Digest::kSize;
using Payload = std::array<std::uint8_t, kPayloadBytes>;

// The structured bindings below list every member on purpose: a new one does not compile until it
// has a place in the layout.

template <class Fields>
void LayOut(Fields& fields, SlotRecord& slot) {
  auto& [state, manifest, artifact, size_bytes, security_epoch, release, rollout, stage, reason] =
      slot;
  fields.Enum(state, SlotState::kBad);
  fields.Id(manifest);
  fields.Id(artifact);
  fields.Number(size_bytes);
  fields.Number(security_epoch);
  fields.Text(release, limits::kIdMax);
  fields.Text(rollout, limits::kIdMax);
  fields.Number(stage);
  fields.Text(reason, kCodeTextMax);
}

template <class Fields>
void LayOut(Fields& fields, Work& work) {
  auto& [state, standby, bytes_spent, manifest, attempts, failure] = work;
  fields.Enum(state, UpdateState::kFault);
  fields.Number(standby);
  fields.Number(bytes_spent);
  fields.Id(manifest);
  fields.Number(attempts);
  fields.Text(failure, kCodeTextMax);
}

template <class Fields>
void LayOut(Fields& fields, StateRecord& record) {
  auto& [gen, active, fallback, phase, slots, work, starts_left, trial_budget_left_ms, floor_epoch,
         directive, directive_digest, order, order_digest, freshness, engine_epoch,
         secure_time_floor_ms, root_version, revocation_version, revocation_digest, activation,
         boot, bad_artifacts] = record;
  fields.Constant(kRecordMagic);
  fields.Constant(kRecordFormat);
  fields.Number(gen);
  fields.Index(active, limits::kSlotsMax);
  fields.Index(fallback, limits::kSlotsMax);
  fields.Enum(phase, Phase::kReverted);
  for (SlotRecord& slot : slots) LayOut(fields, slot);
  LayOut(fields, work);
  fields.Number(starts_left);
  fields.Number(trial_budget_left_ms);
  fields.Number(floor_epoch);
  fields.Sequence(directive);
  fields.Id(directive_digest);
  fields.Sequence(order);
  fields.Id(order_digest);
  fields.Sequence(freshness);
  fields.Number(engine_epoch);
  fields.Number(secure_time_floor_ms);
  fields.Number(root_version);
  fields.Number(revocation_version);
  fields.Id(revocation_digest);
  fields.Number(activation);
  fields.Number(boot);
  fields.Ids(bad_artifacts, limits::kBadDigestsMax);
}

}  // namespace

RecordBytes EncodeRecord(const StateRecord& record) {
  Payload payload{};
  const std::span<std::uint8_t> hashed = std::span(payload).first(kHashedBytes);
  FixedFieldWriter fields(hashed);
  StateRecord copy = record;  // LayOut serves both ways and so takes its record by reference
  LayOut(fields, copy);
  std::ranges::copy(Sha256(hashed).bytes, payload.begin() + kHashedBytes);

  RecordBytes bytes{};
  for (std::size_t i = 0; i < kSectors; ++i) {
    const auto sector = std::span(bytes).subspan(i * kSectorBytes).first<kSectorBytes>();
    std::ranges::copy(std::span(payload).subspan(i * kSectorPayloadBytes, kSectorPayloadBytes),
                      sector.begin());
    SealSector(sector);
  }
  return bytes;
}

Result<StateRecord> DecodeRecord(ByteView bytes) {
  const auto corrupt = [](const std::string& what) {
    return Fail(ErrorCode::kStoreCorrupt, "state record: " + what);
  };
  if (bytes.size() != kRecordBytes) {
    return corrupt("has " + std::to_string(bytes.size()) + " bytes, not 4096");
  }
  Payload payload{};
  for (std::size_t i = 0; i < kSectors; ++i) {
    const ByteView sector = bytes.subspan(i * kSectorBytes, kSectorBytes);
    if (!SectorIsWhole(sector)) return corrupt("wrong CRC in sector " + std::to_string(i));
    std::ranges::copy(sector.first(kSectorPayloadBytes),
                      payload.begin() + static_cast<std::ptrdiff_t>(i * kSectorPayloadBytes));
  }
  const ByteView hashed = ByteView(payload).first(kHashedBytes);
  if (!std::ranges::equal(Sha256(hashed).bytes, ByteView(payload).subspan(kHashedBytes))) {
    return corrupt("sectors of different writes (wrong SHA-256)");
  }
  StateRecord record;
  FixedFieldReader fields(hashed);
  LayOut(fields, record);
  if (!fields.Finish()) return corrupt("a field is out of range; written by another format?");
  return record;
}

std::optional<NewestRecord> SelectNewest(ByteView copy_0, ByteView copy_1) {
  Result<StateRecord> first = DecodeRecord(copy_0);
  Result<StateRecord> second = DecodeRecord(copy_1);
  if (!first && !second) return std::nullopt;
  const bool second_counts = !first || (second && second->gen > first->gen);
  return second_counts ? NewestRecord{1, *std::move(second)} : NewestRecord{0, *std::move(first)};
}

}  // namespace sluice::device
