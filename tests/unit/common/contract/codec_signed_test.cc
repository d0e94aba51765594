#include "common/contract/limits.h"
#include "tests/support/contract_samples.h"
#include "tests/unit/common/contract/broken_value.h"

namespace sluice {
namespace {

using test_support::SampleAnswer;
using test_support::SampleDigest;
using test_support::SampleFreshness;
using test_support::SampleHold;
using test_support::SampleInstall;
using test_support::SampleOrder;
using test_support::SampleRevert;

constexpr std::int64_t kPastTheEnd = limits::kTimeMsMax + 1;

TEST(DirectiveCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleInstall());
  ExpectRoundTrip(SampleRevert());
  ExpectRoundTrip(SampleHold());
}

TEST(DirectiveCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleInstall(), limits::kDirectiveBytesMax);
}

TEST(DirectiveCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleInstall(), ErrorCode::kFbRange);
}

TEST(DirectiveCodec, ChecksEveryField) {
  ExpectEachDecoded<Directive>(
      SampleInstall(), ErrorCode::kFbRange,
      {
          {"fleet_id", [](Directive& d) { d.fleet_id = ""; }},
          {"device_id", [](Directive& d) { d.device_id = "cam.17"; }},
          {"device_id", [](Directive& d) { d.device_id = "+"; }},
          {"number",
           [](Directive& d) {
             d.number = {0, 7};
           }},
          {"rollout", [](Directive& d) { d.rollout = "a b"; }},
          {"action", [](Directive& d) { d.action = static_cast<DirectiveAction>(0); }},
          {"action", [](Directive& d) { d.action = static_cast<DirectiveAction>(4); }},
          {"manifest", [](Directive& d) { d.manifest = {}; }},
          {"manifest_size", [](Directive& d) { d.manifest_size = 0; }},
          {"", [](Directive& d) { d.manifest_size = limits::kManifestBytesMax; }},
          {"manifest_size", [](Directive& d) { d.manifest_size = limits::kManifestBytesMax + 1; }},
          {"", [](Directive& d) { d.offers.clear(); }},
          {"", [](Directive& d) { d.offers.resize(limits::kOffersMax, d.offers[0]); }},
          {"offers", [](Directive& d) { d.offers.resize(limits::kOffersMax + 1, d.offers[0]); }},
          {"offers.object", [](Directive& d) { d.offers[0].object = {}; }},
          {"offers.head_digest", [](Directive& d) { d.offers[0].head_digest = {}; }},
          {"offers.size_bytes", [](Directive& d) { d.offers[0].size_bytes = 0; }},
          {"offers.size_bytes",
           [](Directive& d) { d.offers[0].size_bytes = limits::kPayloadBytesMax + 1; }},
          {"offers.head_size", [](Directive& d) { d.offers[0].head_size = 0; }},
          {"offers.head_size", [](Directive& d) { d.offers[1].head_size = 4'600'001; }},
          {"attempts", [](Directive& d) { d.attempts = 0; }},
          {"",
           [](Directive& d) {
             d.window = {1'439, 0};
           }},
          {"open_minute", [](Directive& d) { d.window.open_minute = 1'440; }},
          {"close_minute", [](Directive& d) { d.window.close_minute = 1'440; }},
          {"mode", [](Directive& d) { d.mode = static_cast<ActivationMode>(0); }},
          {"mode", [](Directive& d) { d.mode = static_cast<ActivationMode>(3); }},
          {"telemetry_interval_s", [](Directive& d) { d.telemetry_interval_s = 0; }},
          {"telemetry_interval_s",
           [](Directive& d) { d.telemetry_interval_s = limits::kIntervalSecondsMax + 1; }},
          {"not_before_ms", [](Directive& d) { d.not_before_ms = -1; }},
          {"expires_ms", [](Directive& d) { d.expires_ms = kPastTheEnd; }},
          {"expires_ms", [](Directive& d) { d.expires_ms = d.not_before_ms - 1; }},
      });
}

TEST(DirectiveCodec, KnowsWhatEachActionNeeds) {
  ExpectEachDecoded<Directive>(
      SampleRevert(), ErrorCode::kFbRange,
      {
          {"manifest", [](Directive& d) { d.manifest = {}; }},
          {"offers", [](Directive& d) { d.offers = SampleInstall().offers; }},
      });
  ExpectEachDecoded<Directive>(
      SampleHold(), ErrorCode::kFbRange,
      {
          {"offers", [](Directive& d) { d.offers = SampleInstall().offers; }},
          {"",
           [](Directive& d) {
             d.manifest = SampleDigest(1);
             d.offers = SampleInstall().offers;
           }},
      });
}

TEST(OrderCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleOrder());
  Order empty = SampleOrder();
  empty.entries.clear();
  ExpectRoundTrip(empty);
}

TEST(OrderCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleOrder(), limits::kOrderBytesMax);
}

TEST(OrderCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleOrder(), ErrorCode::kFbRange);
}

void FillEntries(Order& order, std::size_t count) {
  order.entries.clear();
  for (std::size_t i = 0; i < count; ++i) {
    order.entries.push_back({"rollout-" + std::to_string(i), OrderAction::kHold, 0, {}});
  }
}

TEST(OrderCodec, ChecksEveryField) {
  ExpectEachDecoded<Order>(
      SampleOrder(), ErrorCode::kFbRange,
      {
          {"fleet_id", [](Order& o) { o.fleet_id = "a/b"; }},
          {"number", [](Order& o) { o.number = {}; }},
          {"", [](Order& o) { FillEntries(o, limits::kOrderEntriesMax); }},
          {"entries", [](Order& o) { FillEntries(o, limits::kOrderEntriesMax + 1); }},
          {"entries", [](Order& o) { o.entries[1] = o.entries[0]; }},
          {"",
           [](Order& o) {  // one hardware is rolled back, the rest of the rollout holds
             o.entries = {{"r-1", OrderAction::kRollBack, 0, {"cam-a"}},
                          {"r-1", OrderAction::kHold, 0, {}}};
           }},
          {"entries.rollout", [](Order& o) { o.entries[0].rollout = ""; }},
          {"entries.action", [](Order& o) { o.entries[0].action = static_cast<OrderAction>(0); }},
          {"entries.action", [](Order& o) { o.entries[0].action = static_cast<OrderAction>(4); }},
          {"entries.hardware",
           [](Order& o) {
             o.entries[1].hardware = {"cam-a", "cam-a"};
           }},
          {"entries.hardware", [](Order& o) { o.entries[1].hardware = {"cam a"}; }},
          {"entries.hardware",
           [](Order& o) {
             for (std::size_t i = 0; i <= limits::kHardwareNamesMax; ++i) {
               o.entries[0].hardware.push_back("cam-" + std::to_string(i));
             }
           }},
          {"created_ms", [](Order& o) { o.created_ms = -1; }},
      });
}

TEST(FreshnessCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleFreshness());
  Freshness young = SampleFreshness();
  young.held = {.root_version = 1, .order = {}, .revocation_version = 0, .revocation_digest = {}};
  ExpectRoundTrip(young);
}

TEST(FreshnessCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleFreshness(), limits::kFreshnessBytesMax);
}

TEST(FreshnessCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleFreshness(), ErrorCode::kFbRange);
}

TEST(FreshnessCodec, ChecksEveryField) {
  ExpectEachDecoded<Freshness>(
      SampleFreshness(), ErrorCode::kFbRange,
      {
          {"fleet_id", [](Freshness& f) { f.fleet_id = ""; }},
          {"number",
           [](Freshness& f) {
             f.number = {0, 1};
           }},
          {"now_ms", [](Freshness& f) { f.now_ms = -1; }},
          {"now_ms", [](Freshness& f) { f.now_ms = kPastTheEnd; }},
          {"held.root_version", [](Freshness& f) { f.held.root_version = 0; }},
          {"held.revocation_digest", [](Freshness& f) { f.held.revocation_digest = {}; }},
          {"held.revocation_digest", [](Freshness& f) { f.held.revocation_version = 0; }},
      });
}

TEST(AnswerCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleAnswer());
  Answer bare = SampleAnswer();
  bare.permit = {};
  bare.directive = {};
  ExpectRoundTrip(bare);
}

TEST(AnswerCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleAnswer(), limits::kAnswerBytesMax);
}

TEST(AnswerCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleAnswer(), ErrorCode::kFbRange);
}

TEST(AnswerCodec, ChecksEveryField) {
  ExpectEachDecoded<Answer>(
      SampleAnswer(), ErrorCode::kFbRange,
      {
          {"fleet_id", [](Answer& a) { a.fleet_id = ".f"; }},
          {"device_id", [](Answer& a) { a.device_id = "a/b"; }},
          {"engine_epoch", [](Answer& a) { a.engine_epoch = 0; }},
          {"now_ms", [](Answer& a) { a.now_ms = kPastTheEnd; }},
          {"held.root_version", [](Answer& a) { a.held.root_version = 0; }},
          {"ask_again_s", [](Answer& a) { a.ask_again_s = limits::kIntervalSecondsMax + 1; }},
          {"telemetry_interval_s", [](Answer& a) { a.telemetry_interval_s = 0; }},
          {"telemetry_interval_s",
           [](Answer& a) { a.telemetry_interval_s = limits::kIntervalSecondsMax + 1; }},
      });
}

}  // namespace
}  // namespace sluice
