// Telemetry: one struct inline, so that a message stays near 80 bytes.
#include "common/contract/codec.h"
#include "common/contract/field_reader.h"
#include "common/contract/wire_message.h"
#include "telemetry_generated.h"

namespace sluice {
namespace {

const WireFormat kTelemetryFormat{"Telemetry", wire::TelemetryIdentifier(),
                                  limits::kTelemetryBytesMax};

static_assert(sizeof(wire::TelemetryCore) == 64);

constexpr std::uint16_t kFlagsKnown = 63;
constexpr std::uint8_t kPercentMax = 100;
constexpr std::uint8_t kOnMains = 255;

Telemetry ReadCore(const wire::TelemetryCore& core) {
  Telemetry telemetry;
  telemetry.release_id = core.release_id();
  telemetry.activation = core.activation();
  telemetry.boot = core.boot();
  telemetry.flags = core.flags();
  telemetry.seq = core.seq();
  telemetry.up_s = core.up_s();
  telemetry.age_ms = core.age_ms();
  telemetry.inferences = core.inferences();
  telemetry.errors = core.errors();
  telemetry.over_latency = core.over_latency();
  telemetry.labelled = core.labelled();
  telemetry.correct_q8 = core.correct_q8();
  telemetry.rss_kb = core.rss_kb();
  telemetry.crashes = core.crashes();
  telemetry.temp_c = core.temp_c();
  telemetry.battery_pct = core.battery_pct();
  telemetry.cpu_pct = core.cpu_pct();
  telemetry.val_drop_q = core.val_drop_q();
  return telemetry;
}

void CheckCounters(FieldReader& read, const Telemetry& telemetry) {
  read.Require((telemetry.flags & ~kFlagsKnown) == 0, "flags", "unknown bits are set");
  read.Require(telemetry.errors <= telemetry.inferences, "errors", "more than inferences");
  read.Require(telemetry.over_latency <= telemetry.inferences, "over_latency",
               "more than inferences");
  read.Require(telemetry.battery_pct <= kPercentMax || telemetry.battery_pct == kOnMains,
               "battery_pct", "neither 0..100 nor 255");
  read.Within("cpu_pct", telemetry.cpu_pct, 0, kPercentMax);
}

}  // namespace

Bytes Encode(const Telemetry& value) {
  flatbuffers::FlatBufferBuilder builder(128 + value.lat_bins.size());
  const wire::TelemetryCore core(value.release_id, value.activation, value.boot, value.flags,
                                 value.seq, value.up_s, value.age_ms, value.inferences,
                                 value.errors, value.over_latency, value.labelled, value.correct_q8,
                                 value.rss_kb, value.crashes, value.temp_c, value.battery_pct,
                                 value.cpu_pct, value.val_drop_q, 0);
  flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> lat_bins;
  if (!value.lat_bins.empty()) lat_bins = builder.CreateVector(value.lat_bins);
  return FinishMessage(builder, wire::CreateTelemetry(builder, &core, lat_bins, value.lat_seq),
                       kTelemetryFormat);
}

template <>
Result<Telemetry> Decode<Telemetry>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message, WireMessage<wire::Telemetry>::Open(kTelemetryFormat, bytes));
  const wire::Telemetry& from = *message;
  FieldReader read(kTelemetryFormat.name, ErrorCode::kTmRange);
  Telemetry telemetry;
  read.Require(from.core() != nullptr, "core", "it is missing");
  if (from.core() != nullptr) {
    telemetry = ReadCore(*from.core());
    CheckCounters(read, telemetry);
    read.Require(from.core()->reserved() == 0, "reserved", "it must be 0");
  }
  const auto lat_bins = read.List("lat_bins", from.lat_bins(), 0, limits::kLatencyBinsMax);
  telemetry.lat_bins.assign(lat_bins.begin(), lat_bins.end());
  telemetry.lat_seq = from.lat_seq();
  return read.Finish(std::move(telemetry));
}

}  // namespace sluice
