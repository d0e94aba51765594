#include "common/contract/limits.h"
#include "tests/support/contract_samples.h"
#include "tests/unit/common/contract/broken_value.h"

namespace sluice {
namespace {

using test_support::SampleDigest;
using test_support::SampleHello;
using test_support::SampleReport;

TEST(HelloCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleHello());
  Hello bare = SampleHello();
  bare.slots = {{}, {}, {}};
  bare.active_slot = -1;
  bare.directive = bare.order = {};
  bare.permit_wanted = {};
  bare.bad_artifacts.clear();
  bare.attributes.clear();
  bare.runtime_abi.clear();
  ExpectRoundTrip(bare);
}

TEST(HelloCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleHello(), limits::kHelloBytesMax);
}

TEST(HelloCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleHello(), ErrorCode::kFbRange);
}

TEST(HelloCodec, ChecksEveryField) {
  ExpectEachDecoded<Hello>(
      SampleHello(), ErrorCode::kFbRange,
      {
          {"model", [](Hello& h) { h.model.clear(); }},
          {"model", [](Hello& h) { h.model = "../x"; }},
          {"model", [](Hello& h) { h.model = ".hidden"; }},
          {"model", [](Hello& h) { h.model = std::string("a\0b", 3); }},
          {"model", [](Hello& h) { h.model = "d\xC3\xA9tecteur"; }},
          {"model", [](Hello& h) { h.model = std::string(limits::kIdMax + 1, 'a'); }},
          {"", [](Hello& h) { h.model = std::string(limits::kIdMax, 'a'); }},
          {"hardware", [](Hello& h) { h.hardware.clear(); }},
          {"agent_version", [](Hello& h) { h.agent_version = "0.1 beta"; }},
          {"runtime_abi", [](Hello& h) { h.runtime_abi = "a/b"; }},
          {"memory_class", [](Hello& h) { h.memory_class = static_cast<MemoryClass>(3); }},
          {"", [](Hello& h) { h.chunk_size = limits::kChunkBytesMin; }},
          {"chunk_size", [](Hello& h) { h.chunk_size = limits::kChunkBytesMin - 1; }},
          {"", [](Hello& h) { h.chunk_size = limits::kChunkBytesMax; }},
          {"chunk_size", [](Hello& h) { h.chunk_size = limits::kChunkBytesMax + 1; }},
          {"window_bytes_max", [](Hello& h) { h.window_bytes_max = limits::kWindowBytesMax + 1; }},
          {"window_bytes_max", [](Hello& h) { h.window_bytes_max = 0; }},
          {"state", [](Hello& h) { h.state = static_cast<UpdateState>(kUpdateStateCount); }},
          {"slots", [](Hello& h) { h.slots.resize(1); }},
          {"", [](Hello& h) { h.slots.resize(limits::kSlotsMax); }},
          {"slots", [](Hello& h) { h.slots.resize(limits::kSlotsMax + 1); }},
          {"slots.state", [](Hello& h) { h.slots[1].state = static_cast<SlotState>(5); }},
          {"slots.release", [](Hello& h) { h.slots[0].release = "a b"; }},
          {"slots.rollout", [](Hello& h) { h.slots[0].rollout = "#"; }},
          {"", [](Hello& h) { h.active_slot = -1; }},
          {"active_slot", [](Hello& h) { h.active_slot = -2; }},
          {"active_slot", [](Hello& h) { h.active_slot = 2; }},
          {"", [](Hello& h) { h.bad_artifacts.resize(limits::kBadDigestsMax, SampleDigest(9)); }},
          {"bad_artifacts",
           [](Hello& h) { h.bad_artifacts.resize(limits::kBadDigestsMax + 1, SampleDigest(9)); }},
          {"bad_artifacts", [](Hello& h) { h.bad_artifacts.push_back({}); }},
          {"attributes.key", [](Hello& h) { h.attributes[0].first = ""; }},
          {"attributes.value", [](Hello& h) { h.attributes[0].second = "a=b"; }},
          {"attributes", [](Hello& h) { h.attributes.push_back(h.attributes[0]); }},
          {"attributes",
           [](Hello& h) {
             for (std::size_t i = h.attributes.size(); i <= limits::kAttributesMax; ++i) {
               h.attributes.emplace_back("k" + std::to_string(i), "v");
             }
           }},
      });
}

TEST(HelloCodec, TakesTheLargestHelloWithinItsCap) {
  Hello hello = SampleHello();
  hello.slots.resize(limits::kSlotsMax, hello.slots[0]);
  hello.bad_artifacts.assign(limits::kBadDigestsMax, SampleDigest(7));
  hello.attributes.clear();
  for (std::size_t i = 0; i < limits::kAttributesMax; ++i) {
    hello.attributes.emplace_back("attribute-" + std::to_string(i), std::string(16, 'v'));
  }
  EXPECT_LE(Encode(hello).size(), limits::kHelloBytesMax);
  ExpectRoundTrip(hello);
}

TEST(ReportCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleReport());
  Report bare = SampleReport();
  bare.directive = {};
  bare.rollout.clear();
  bare.code.clear();
  bare.text.clear();
  bare.manifest = bare.active_artifact = {};
  bare.validation = {};
  ExpectRoundTrip(bare);
}

TEST(ReportCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleReport(), limits::kReportBytesMax);
}

TEST(ReportCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleReport(), ErrorCode::kFbRange);
}

TEST(ReportCodec, ChecksEveryField) {
  ExpectEachDecoded<Report>(
      SampleReport(), ErrorCode::kFbRange,
      {
          {"seq", [](Report& r) { r.seq = 0; }},
          {"rollout", [](Report& r) { r.rollout = "a/b"; }},
          {"state", [](Report& r) { r.state = static_cast<ReportState>(0); }},
          {"state", [](Report& r) { r.state = static_cast<ReportState>(12); }},
          {"", [](Report& r) { r.code = "W_CLOCK_UNTRUSTED"; }},
          {"", [](Report& r) { r.code = "E_OF_A_LATER_VERSION_2"; }},
          {"code", [](Report& r) { r.code = "failed"; }},
          {"code", [](Report& r) { r.code = "E_lower"; }},
          {"code", [](Report& r) { r.code = "E_" + std::string(limits::kIdMax, 'A'); }},
          {"", [](Report& r) { r.text = std::string(limits::kReportTextMax, 'x'); }},
          {"text", [](Report& r) { r.text = std::string(limits::kReportTextMax + 1, 'x'); }},
          {"", [](Report& r) { r.bytes_done = r.bytes_total; }},
          {"bytes_done", [](Report& r) { r.bytes_done = r.bytes_total + 1; }},
          {"validation", [](Report& r) { r.validation.correct_base = r.validation.n + 1; }},
          {"validation", [](Report& r) { r.validation.correct_new = r.validation.n + 1; }},
          {"validation", [](Report& r) { r.validation.only_base = r.validation.correct_base + 1; }},
          {"validation", [](Report& r) { r.validation.only_new = r.validation.correct_new + 1; }},
          {"validation", [](Report& r) { ++r.validation.only_new; }},
          {"validation", [](Report& r) { --r.validation.n_base; }},
          {"validation", [](Report& r) { r.validation.n_base = 0; }},
          {"", [](Report& r) { r.validation = {.n = 100, .correct_new = 95}; }},
      });
}

TEST(ReportCodec, TakesOnlyPrintableUtf8) {
  const auto decoded = [](std::string_view text) {
    Report report = SampleReport();
    report.text = text;
    return Decode<Report>(Encode(report)).has_value();
  };
  for (const std::string_view good :
       {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(decoded(good)) << testing::PrintToString(good);
  }
  for (const std::string_view bad :
       {"\n", "\x1b[31m", "\x7f", "\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2 ", "\xE0\x9F\xBF",
        "\xE2\x82", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_FALSE(decoded(bad)) << testing::PrintToString(bad);
  }
  EXPECT_FALSE(decoded(std::string_view("\0", 1)));
}

}  // namespace
}  // namespace sluice
