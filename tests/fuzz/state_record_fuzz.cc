// Two copies of the state record out of any bytes: the newest valid one is found, or none.
//
// The first byte says which copies get right sums: blind mutation would stop at them.
#include "common/base/check.h"
#include "tests/support/sealed_record.h"

namespace {

using sluice::device::RecordBytes;

RecordBytes Copy(sluice::ByteView bytes, bool seal) {
  RecordBytes copy{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), copy.size()), copy.begin());
  return seal ? sluice::test_support::SealedRecord(copy) : copy;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::device;
  if (size == 0) return 0;
  const sluice::ByteView bytes(data + 1, size - 1);
  const sluice::ByteView rest = bytes.subspan(std::min(bytes.size(), kRecordBytes));
  const std::array<RecordBytes, 2> copies = {Copy(bytes, (data[0] & 1) != 0),
                                             Copy(rest, (data[0] & 2) != 0)};
  const auto newest = SelectNewest(copies[0], copies[1]);
  for (int i = 0; i < 2; ++i) {
    const RecordBytes& copy = copies[static_cast<std::size_t>(i)];
    const sluice::Result<StateRecord> record = DecodeRecord(copy);
    if (!record) {
      SLUICE_CHECK(record.error().code == sluice::ErrorCode::kStoreCorrupt);
      SLUICE_CHECK(!newest || newest->copy != i);
      continue;
    }
    SLUICE_CHECK(newest.has_value() && newest->record.gen >= record->gen);
    SLUICE_CHECK(newest->copy != i || newest->record == *record);
    SLUICE_CHECK(EncodeRecord(*record) == copy);
  }
  return 0;
}
