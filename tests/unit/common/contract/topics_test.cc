#include "common/contract/topics.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice {
namespace {

constexpr UpKind kUpKinds[] = {UpKind::kHello, UpKind::kReport, UpKind::kTelemetry,
                               UpKind::kPresence, UpKind::kFetch};
constexpr DownKind kDownKinds[] = {DownKind::kDirective, DownKind::kChunk};
constexpr AllKind kAllKinds[] = {AllKind::kRoot, AllKind::kFreshness, AllKind::kOrder};

std::vector<std::string> HostileIdentities() {
  return {"",
          "+",
          "#",
          "$SYS",
          "dev-1/x",
          "/dev-1",
          "dev-1/",
          "..",
          "v3.2",
          "a b",
          "a\n",
          "d\xC3\xA9v",
          "\xFF",
          std::string("a\0b", 3),
          std::string(1, '\0'),
          std::string(65, 'a'),
          std::string(300, 'a'),
          "dev\xE2\x80\x8B"
          "1",
          "a+",
          "a#",
          "a:b",
          "a=b"};
}

TEST(Topics, RoundTripForEveryKindAndPartition) {
  for (int partition = 0; partition < 64; ++partition) {
    for (const UpKind kind : kUpKinds) {
      const UpTopic topic{partition, "Cam_0017-x", kind};
      EXPECT_EQ(ParseUpTopic(BuildTopic(topic)), topic);
    }
  }
  for (const DownKind kind : kDownKinds) {
    const DownTopic topic{"Cam_0017-x", kind};
    EXPECT_EQ(ParseDownTopic(BuildTopic(topic)), topic);
  }
  for (const AllKind kind : kAllKinds) EXPECT_EQ(ParseAllTopic(BuildTopic(kind)), kind);
}

TEST(Topics, AreSpelledAsDocumented) {
  EXPECT_EQ(BuildTopic(UpTopic{7, "cam-1", UpKind::kTelemetry}),
            "sluice-dev/v1/up/p07/cam-1/telemetry");
  EXPECT_EQ(BuildTopic(DownTopic{"cam-1", DownKind::kChunk}), "sluice-dev/v1/down/cam-1/chunk");
  EXPECT_EQ(BuildTopic(AllKind::kFreshness), "sluice-dev/v1/all/freshness");
  EXPECT_EQ(UpFilter(UpKind::kHello), "sluice-dev/v1/up/+/+/hello");
}

TEST(Topics, OfOnePlaneAreNoneOfAnother) {
  const std::string up = BuildTopic(UpTopic{0, "d", UpKind::kHello});
  const std::string down = BuildTopic(DownTopic{"d", DownKind::kDirective});
  const std::string all = BuildTopic(AllKind::kOrder);
  for (const std::string& text : {down, all})
    EXPECT_EQ(ParseUpTopic(text).error().code, ErrorCode::kTopic);
  for (const std::string& text : {up, all})
    EXPECT_EQ(ParseDownTopic(text).error().code, ErrorCode::kTopic);
  for (const std::string& text : {up, down})
    EXPECT_EQ(ParseAllTopic(text).error().code, ErrorCode::kTopic);
}

TEST(Topics, AreRefusedInAnyOtherSpelling) {
  for (const std::string_view text : {"",
                                      "/",
                                      "sluice-dev",
                                      "sluice-dev/v1/up/",
                                      "sluice-dev/v1/up/p07",
                                      "sluice-dev/v1/up/p07/cam-1",
                                      "sluice-dev/v1/up/p07/cam-1/",
                                      "sluice-dev/v1/up/p07/cam-1/hello/",
                                      "sluice-dev/v1/up/p07/cam-1/hello/x",
                                      "/sluice-dev/v1/up/p07/cam-1/hello",
                                      "sluice-dev/v2/up/p07/cam-1/hello",
                                      "sluice-dev/v1/up/p7/cam-1/hello",
                                      "sluice-dev/v1/up/p007/cam-1/hello",
                                      "sluice-dev/v1/up/p64/cam-1/hello",
                                      "sluice-dev/v1/up/p99/cam-1/hello",
                                      "sluice-dev/v1/up/P07/cam-1/hello",
                                      "sluice-dev/v1/up/p0a/cam-1/hello",
                                      "sluice-dev/v1/up/p+7/cam-1/hello",
                                      "sluice-dev/v1/up/p07//hello",
                                      "sluice-dev/v1/up/+/+/hello",
                                      "sluice-dev/v1/up/#",
                                      "sluice-dev/v1/up/p07/cam-1/Hello",
                                      "sluice-dev/v1/up/p07/cam-1/directive"}) {
    EXPECT_EQ(ParseUpTopic(text).error().code, ErrorCode::kTopic) << text;
  }
  for (const std::string_view text :
       {"sluice-dev/v1/down/", "sluice-dev/v1/down/cam-1", "sluice-dev/v1/down/cam-1/",
        "sluice-dev/v1/down//chunk", "sluice-dev/v1/down/cam-1/hello",
        "sluice-dev/v1/down/cam-1/chunk/", "sluice-dev/v1/down/p07/cam-1/chunk"}) {
    EXPECT_EQ(ParseDownTopic(text).error().code, ErrorCode::kTopic) << text;
  }
  for (const std::string_view text :
       {"sluice-dev/v1/all/", "sluice-dev/v1/all/roots", "sluice-dev/v1/all/root/"}) {
    EXPECT_EQ(ParseAllTopic(text).error().code, ErrorCode::kTopic) << text;
  }
}

TEST(Topics, NeverCarryAHostileIdentity) {
  for (const std::string& identity : HostileIdentities()) {
    EXPECT_FALSE(ParseUpTopic("sluice-dev/v1/up/p07/" + identity + "/hello").has_value())
        << identity;
    EXPECT_FALSE(ParseDownTopic("sluice-dev/v1/down/" + identity + "/chunk").has_value())
        << identity;
  }
  EXPECT_DEATH(BuildTopic(UpTopic{0, "a/b", UpKind::kHello}), "E_INTERNAL");
  EXPECT_DEATH(BuildTopic(UpTopic{64, "a", UpKind::kHello}), "E_INTERNAL");
  EXPECT_DEATH(BuildTopic(UpTopic{-1, "a", UpKind::kHello}), "E_INTERNAL");
  EXPECT_DEATH(BuildTopic(DownTopic{"", DownKind::kChunk}), "E_INTERNAL");
}

TEST(Topics, DoNotRepeatForeignBytesInTheError) {
  EXPECT_EQ(ParseUpTopic("\x1b[31m").error().text.find('\x1b'), std::string::npos);
}

TEST(Identities, AreOneTopicLevel) {
  EXPECT_TRUE(IsTopicLevel("a"));
  EXPECT_TRUE(IsTopicLevel("-_09azAZ"));
  EXPECT_TRUE(IsTopicLevel(std::string(64, 'a')));
  for (const std::string& identity : HostileIdentities()) {
    EXPECT_FALSE(IsTopicLevel(identity)) << identity;
    const Status status = CheckIdentity("device", identity);
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().Line(), "E_BAD_IDENTITY: device: allowed [A-Za-z0-9_-]{1,64}");
  }
  EXPECT_TRUE(CheckIdentity("device", "cam-1").has_value());
}

TEST(RegistryIds, MayHaveDotsButNotInFront) {
  for (const std::string_view good : {"a", "detector-v3.2", "a..b", "_", "-", "a."}) {
    EXPECT_TRUE(CheckRegistryId("release", good).has_value()) << good;
  }
  EXPECT_TRUE(IsRegistryId(std::string(64, 'a')));
  for (const std::string& bad :
       {std::string(""), std::string("."), std::string(".."), std::string("../x"),
        std::string(".hidden"), std::string("a/b"), std::string("a\0", 2), std::string(65, 'a'),
        std::string(300, 'a'), std::string("d\xD0\xB5tector")}) {
    const Status status = CheckRegistryId("release", bad);
    ASSERT_FALSE(status.has_value()) << bad;
    EXPECT_EQ(status.error().Line(),
              "E_BAD_ID: release: allowed [A-Za-z0-9._-]{1,64}, not starting with '.'");
  }
}

}  // namespace
}  // namespace sluice
