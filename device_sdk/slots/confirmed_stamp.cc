#include "device_sdk/slots/confirmed_stamp.h"

#include "device_sdk/slots/fixed_fields.h"

namespace sluice::device {
namespace {

constexpr std::uint32_t kStampMagic = 0x43534C53;  // "SLSC"
constexpr std::uint32_t kStampFormat = 1;

template <class Fields>
void LayOut(Fields& fields, ConfirmedStamp& stamp) {
  fields.Constant(kStampMagic);
  fields.Constant(kStampFormat);
  fields.Id(stamp.slot.manifest);
  fields.Id(stamp.slot.artifact);
  fields.Number(stamp.slot.size_bytes);
  fields.Number(stamp.slot.security_epoch);
  fields.Text(stamp.slot.release, limits::kIdMax);
  StateRecord& numbers = stamp.numbers;
  fields.Number(numbers.gen);
  fields.Number(numbers.floor_epoch);
  fields.Sequence(numbers.directive);
  fields.Id(numbers.directive_digest);
  fields.Sequence(numbers.order);
  fields.Id(numbers.order_digest);
  fields.Sequence(numbers.freshness);
  fields.Number(numbers.engine_epoch);
  fields.Number(numbers.secure_time_floor_ms);
  fields.Number(numbers.root_version);
  fields.Number(numbers.revocation_version);
  fields.Id(numbers.revocation_digest);
  fields.Number(numbers.activation);
  fields.Number(numbers.boot);
}

}  // namespace

StampBytes EncodeStamp(const ConfirmedStamp& stamp) {
  StampBytes bytes{};
  FixedFieldWriter fields(std::span{bytes}.first<kSectorPayloadBytes>());
  ConfirmedStamp copy = stamp;  // LayOut serves both ways and so takes its stamp by reference
  LayOut(fields, copy);
  SealSector(bytes);
  return bytes;
}

std::optional<ConfirmedStamp> DecodeStamp(ByteView bytes) {
  if (!SectorIsWhole(bytes)) return std::nullopt;
  ConfirmedStamp stamp;
  stamp.slot.state = SlotState::kGood;
  FixedFieldReader fields(bytes.first(kSectorPayloadBytes));
  LayOut(fields, stamp);
  if (!fields.Finish()) return std::nullopt;
  return stamp;
}

}  // namespace sluice::device
