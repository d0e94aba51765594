#include "common/contract/limits.h"
#include "tests/support/contract_samples.h"
#include "tests/unit/common/contract/broken_value.h"

namespace sluice {
namespace {

using test_support::SampleTelemetry;

TEST(TelemetryCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleTelemetry());
  ExpectRoundTrip(Telemetry{});
  Telemetry with_sketch = SampleTelemetry();
  with_sketch.lat_bins = {1, 2, 3};
  with_sketch.lat_seq = 9;
  ExpectRoundTrip(with_sketch);
}

TEST(TelemetryCodec, StaysNear80Bytes) { EXPECT_LE(Encode(SampleTelemetry()).size(), 88u); }

TEST(TelemetryCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleTelemetry(), limits::kTelemetryBytesMax);
}

TEST(TelemetryCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleTelemetry(), ErrorCode::kTmRange);
}

TEST(TelemetryCodec, ChecksEveryField) {
  ExpectEachDecoded<Telemetry>(
      SampleTelemetry(), ErrorCode::kTmRange,
      {
          {"", [](Telemetry& t) { t.flags = 63; }},
          {"flags", [](Telemetry& t) { t.flags = 64; }},
          {"", [](Telemetry& t) { t.errors = t.inferences; }},
          {"errors", [](Telemetry& t) { t.errors = t.inferences + 1; }},
          {"over_latency", [](Telemetry& t) { t.over_latency = t.inferences + 1; }},
          {"", [](Telemetry& t) { t.battery_pct = 100; }},
          {"", [](Telemetry& t) { t.battery_pct = 255; }},
          {"battery_pct", [](Telemetry& t) { t.battery_pct = 101; }},
          {"battery_pct", [](Telemetry& t) { t.battery_pct = 254; }},
          {"", [](Telemetry& t) { t.cpu_pct = 100; }},
          {"cpu_pct", [](Telemetry& t) { t.cpu_pct = 101; }},
          {"", [](Telemetry& t) { t.lat_bins.resize(limits::kLatencyBinsMax); }},
          {"lat_bins", [](Telemetry& t) { t.lat_bins.resize(limits::kLatencyBinsMax + 1); }},
      });
}

}  // namespace
}  // namespace sluice
