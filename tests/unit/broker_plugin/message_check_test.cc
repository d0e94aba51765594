#include "broker_plugin/message_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "common/contract/codec.h"
#include "common/contract/limits.h"
#include "tests/support/contract_samples.h"

namespace sluice::plugin {
namespace {

using namespace test_support;

struct Sample {
  UpKind kind;
  Bytes good;
};

std::vector<Sample> Samples() {
  const auto text = [](std::string_view word) { return Bytes(word.begin(), word.end()); };
  return {{UpKind::kHello, Encode(SampleHello())},
          {UpKind::kReport, Encode(SampleReport())},
          {UpKind::kTelemetry, Encode(SampleTelemetry())},
          {UpKind::kPresence, text("online")},
          {UpKind::kPresence, text("offline")},
          {UpKind::kFetch, Encode(SampleFetch())}};
}

TEST(CheckDeviceMessage, PassesEachKindOnItsOwnTopicOnly) {
  for (const Sample& sample : Samples()) {
    for (const UpKind kind :
         {UpKind::kHello, UpKind::kReport, UpKind::kTelemetry, UpKind::kPresence, UpKind::kFetch}) {
      EXPECT_EQ(CheckDeviceMessage(kind, sample.good).has_value(), kind == sample.kind)
          << static_cast<int>(sample.kind) << " on " << static_cast<int>(kind);
    }
  }
}

TEST(CheckDeviceMessage, HandsOutTheFetchThatItDecoded) {
  const auto checked = CheckDeviceMessage(UpKind::kFetch, Encode(SampleFetch()));
  ASSERT_TRUE(checked && checked->fetch);
  EXPECT_EQ(*checked->fetch, SampleFetch());
  EXPECT_FALSE(CheckDeviceMessage(UpKind::kHello, Encode(SampleHello()))->fetch.has_value());
}

TEST(CheckDeviceMessage, RefusesWhatIsCutShort) {
  for (const Sample& sample : Samples()) {
    for (std::size_t size = 0; size < std::min<std::size_t>(sample.good.size(), 24); ++size) {
      EXPECT_FALSE(CheckDeviceMessage(sample.kind, ByteView(sample.good).first(size)))
          << static_cast<int>(sample.kind) << " of " << size;
    }
  }
}

TEST(CheckDeviceMessage, RefusesANumberOutOfItsRange) {
  FetchRequest fetch = SampleFetch();
  fetch.window_bytes = sluice::limits::kWindowBytesMax + 1;
  EXPECT_EQ(CheckDeviceMessage(UpKind::kFetch, Encode(fetch)).error().code, ErrorCode::kFbRange);
  Telemetry telemetry = SampleTelemetry();
  telemetry.errors = telemetry.inferences + 1;
  EXPECT_EQ(CheckDeviceMessage(UpKind::kTelemetry, Encode(telemetry)).error().code,
            ErrorCode::kTmRange);
}

}  // namespace
}  // namespace sluice::plugin
