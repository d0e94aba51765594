// Any bytes as each unsigned message: refused with a contract code, or a value in range that
// survives another round.
#include "common/base/check.h"
#include "common/contract/codec.h"
#include "common/contract/limits.h"

namespace sluice {
namespace {

void CheckValues(const Telemetry& telemetry) {
  SLUICE_CHECK(telemetry.errors <= telemetry.inferences);
  SLUICE_CHECK(telemetry.over_latency <= telemetry.inferences);
  SLUICE_CHECK(telemetry.cpu_pct <= 100);
  SLUICE_CHECK(telemetry.lat_bins.size() <= limits::kLatencyBinsMax);
}

void CheckValues(const Report& report) {
  SLUICE_CHECK(ReportStateName(report.state) != "unknown");
  SLUICE_CHECK(report.text.size() <= limits::kReportTextMax);
  SLUICE_CHECK(report.text.find('\0') == std::string::npos);
  SLUICE_CHECK(report.bytes_done <= report.bytes_total);
  SLUICE_CHECK(report.validation.correct_new <= report.validation.n);
}

void CheckValues(const Hello& hello) {
  SLUICE_CHECK(UpdateStateName(hello.state) != "unknown");
  SLUICE_CHECK(hello.active_slot < std::ssize(hello.slots));
  SLUICE_CHECK(hello.slots.size() <= limits::kSlotsMax);
  SLUICE_CHECK(hello.chunk_size <= limits::kChunkBytesMax);
  SLUICE_CHECK(hello.bad_artifacts.size() <= limits::kBadDigestsMax);
}

void CheckValues(const FetchRequest& request) {
  SLUICE_CHECK(!request.wanted.empty() && request.wanted.size() <= limits::kFetchRangesMax);
  for (const ByteRange& range : request.wanted) {
    SLUICE_CHECK(range.offset + range.length <= limits::kPayloadBytesMax);
    SLUICE_CHECK(range.offset % request.chunk_size == 0);
  }
}

void CheckValues(const Chunk& chunk) {
  SLUICE_CHECK(chunk.data.size() <= limits::kChunkBytesMax);
  if (chunk.status == ChunkStatus::kOk) {
    SLUICE_CHECK(chunk.offset + chunk.data.size() <= chunk.object_size);
  }
}

template <class T>
void TryAs(ByteView bytes, ErrorCode range_code) {
  const Result<T> value = Decode<T>(bytes);
  if (!value) {
    const ErrorCode code = value.error().code;
    SLUICE_CHECK(code == ErrorCode::kTooBig || code == ErrorCode::kFbInvalid || code == range_code);
    return;
  }
  CheckValues(*value);
  const Bytes canonical = Encode(*value);
  SLUICE_CHECK(Decode<T>(canonical) == value);
  SLUICE_CHECK(Encode(*Decode<T>(canonical)) == canonical);
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const ByteView bytes(data, size);
  TryAs<Telemetry>(bytes, ErrorCode::kTmRange);
  TryAs<Report>(bytes, ErrorCode::kFbRange);
  TryAs<Hello>(bytes, ErrorCode::kFbRange);
  TryAs<FetchRequest>(bytes, ErrorCode::kFbRange);
  TryAs<Chunk>(bytes, ErrorCode::kFbRange);
  return 0;
}
