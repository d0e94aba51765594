#include "rollout_engine/engine/server_leases.h"

#include <gtest/gtest.h>

#include "rollout_engine/engine/limits.h"

namespace sluice {
namespace {

using Health = ServerLeases::Shown::Health;

constexpr std::string_view kTopic = "sluice/v1/server/plant-7/lease";

ServerLease Lease(const std::string& server, std::uint64_t seq, std::uint64_t policy_seq = 0,
                  const std::string& boot = "b1", bool serving = true) {
  return {server, boot, seq, serving, policy_seq};
}

// ---- the message ----

TEST(ServerLeaseMessage, IsReadAsThePluginWritesIt) {
  const auto lease = ParseServerLease(
      kTopic,
      AsBytes(
          R"({"server":"plant-7","boot":"00ff","seq":4,"serving":true,"max_window_bytes":524288,)"
          R"("chunk_bytes_max":65280,"jobs":3,"bytes_per_s":1000000,"policy_seq":7,)"
          R"("ts":1790000001000})"));
  ASSERT_TRUE(lease);
  EXPECT_EQ(*lease, Lease("plant-7", 4, 7, "00ff"));
}

TEST(ServerLeaseMessage, IsRefusedWhenItIsMalformed) {
  const std::string good =
      R"({"server":"plant-7","boot":"00ff","seq":4,"serving":true,"policy_seq":7})";
  ASSERT_TRUE(ParseServerLease(kTopic, AsBytes(good)));
  for (const std::string bad :
       {R"()", R"({})", R"([1])", R"({"server":"plant-7","boot":"00ff","seq":4,"serving":true})",
        R"({"server":"plant-8","boot":"00ff","seq":4,"serving":true,"policy_seq":7})",
        R"({"server":"plant-7","boot":"a/b","seq":4,"serving":true,"policy_seq":7})",
        R"({"server":"plant-7","boot":"","seq":4,"serving":true,"policy_seq":7})",
        R"({"server":"plant-7","boot":"00ff","seq":"4","serving":true,"policy_seq":7})",
        R"({"server":"plant-7","boot":"00ff","seq":4,"serving":1,"policy_seq":7})",
        R"({"server":7,"boot":"00ff","seq":4,"serving":true,"policy_seq":7})"}) {
    EXPECT_FALSE(ParseServerLease(kTopic, AsBytes(bad))) << bad;
  }
  EXPECT_FALSE(ParseServerLease(
      kTopic, AsBytes(good + std::string(limits::kServerLeaseBytesMax - good.size() + 1, ' '))));
  EXPECT_TRUE(ParseServerLease(
      kTopic, AsBytes(good + std::string(limits::kServerLeaseBytesMax - good.size(), ' '))));
}

TEST(ServerLeaseMessage, HasATopicOfItsOwn) {
  EXPECT_TRUE(IsServerLeaseTopic("sluice/v1/server/plant-7/lease"));
  for (const char* other :
       {"sluice/v1/server/lease", "sluice/v1/server//lease", "sluice/v1/server/a/b/lease",
        "sluice/v1/server/plant-7/event", "sluice/v2/server/plant-7/lease", ""}) {
    EXPECT_FALSE(IsServerLeaseTopic(other)) << other;
  }
}

// ---- who is alive ----

TEST(ServerLeases, LiveFifteenSecondsFromTheLastRenewal) {
  ServerLeases leases;
  EXPECT_EQ(leases.Summary().health, Health::kNone);
  EXPECT_FALSE(leases.NextDeadline(0));
  leases.Take(Lease("s", 1), false, {1'000});
  EXPECT_TRUE(leases.AnyLive());
  EXPECT_EQ(leases.NextDeadline(0), BootMs{16'000});
  leases.Take(Lease("s", 2), false, {6'000});
  leases.Lapse({20'999});
  EXPECT_EQ(leases.Summary().health, Health::kLive);
  leases.Lapse({21'000});
  EXPECT_EQ(leases.Summary().health, Health::kLapsed);
  EXPECT_FALSE(leases.AnyLive());
  EXPECT_FALSE(leases.NextDeadline(0));
  leases.Take(Lease("s", 3), false, {30'000});
  EXPECT_EQ(leases.Summary().health, Health::kLive);
}

TEST(ServerLeases, AreNotProvedByWhatABrokerKept) {
  ServerLeases leases;
  leases.Take(Lease("s", 9), true, {1'000});
  EXPECT_EQ(leases.Summary().health, Health::kNone);
  leases.Take(Lease("s", 10), false, {2'000});
  leases.Take(Lease("s", 11), true, {16'000});
  leases.Lapse({17'000});
  EXPECT_EQ(leases.Summary().health, Health::kLapsed);
}

TEST(ServerLeases, AreNotRenewedByACopyOfAnEarlierWord) {
  ServerLeases leases;
  leases.Take(Lease("s", 5), false, {0});
  leases.Take(Lease("s", 5), false, {10'000});
  leases.Take(Lease("s", 4), false, {10'000});
  leases.Lapse({15'000});
  EXPECT_FALSE(leases.AnyLive());
  leases.Take(Lease("s", 1, 0, "b2"), false, {15'000});
  EXPECT_TRUE(leases.AnyLive());
}

TEST(ServerLeases, ShowOneThatServesBeforeOneThatOnlyLives) {
  ServerLeases leases;
  leases.Take(Lease("a", 1), false, {0});
  leases.Take(Lease("b", 1, 0, "b1", false), false, {10'000});
  leases.Take(Lease("c", 1), false, {10'000});
  leases.Lapse({15'000});
  EXPECT_EQ(leases.Summary(), (ServerLeases::Shown{Health::kLive, true, "c"}));
  leases.Take(Lease("c", 2, 0, "b1", false), false, {15'000});
  EXPECT_EQ(leases.Summary(), (ServerLeases::Shown{Health::kLive, false, "b"}));
  leases.Lapse({40'000});
  EXPECT_EQ(leases.Summary(), (ServerLeases::Shown{Health::kLapsed, false, "a"}));
}

TEST(ServerLeases, AreBoundedInNumber) {
  ServerLeases leases;
  for (std::size_t i = 0; i < limits::kServersMax; ++i)
    leases.Take(Lease("s" + std::to_string(i), 1, 9), false, {0});
  leases.Take(Lease("late", 1, 0), false, {0});
  EXPECT_FALSE(leases.PolicyDue(9, {0}));
  leases.Take(Lease("s0", 2, 0), false, {0});
  EXPECT_TRUE(leases.PolicyDue(9, {0}));
}

// ---- who is to be told ----

TEST(ServerLeases, AskForThePolicyWhileTheyHoldAnOlderOne) {
  ServerLeases leases;
  EXPECT_FALSE(leases.PolicyDue(7, {0}));
  leases.Take(Lease("s", 1, 0), false, {0});
  EXPECT_TRUE(leases.PolicyDue(7, {0}));
  leases.NotePolicySent({0});
  EXPECT_FALSE(leases.PolicyDue(7, {limits::kServerPolicyResend - 1}));
  EXPECT_EQ(leases.NextDeadline(7), BootMs{limits::kServerPolicyResend});
  EXPECT_TRUE(leases.PolicyDue(7, {limits::kServerPolicyResend}));
  leases.Take(Lease("s", 2, 7), false, {6'000});
  EXPECT_FALSE(leases.PolicyDue(7, {14'000}));
  leases.Take(Lease("s", 3, 8), false, {14'000});
  EXPECT_FALSE(leases.PolicyDue(7, {14'000}));
}

TEST(ServerLeases, AskForThePolicyAgainAsSoonAsTheyHaveStartedAnew) {
  ServerLeases leases;
  leases.Take(Lease("s", 1, 0), false, {0});
  leases.NotePolicySent({0});
  leases.Take(Lease("s", 2, 7), false, {10});
  leases.Take(Lease("s", 1, 0, "b2"), false, {2'000});
  EXPECT_TRUE(leases.PolicyDue(7, {2'000}));
}

TEST(ServerLeases, AreToldAtMostOnceASecondHoweverOftenTheyStartAnew) {
  ServerLeases leases;
  leases.NotePolicySent({0});
  leases.Take(Lease("s", 1, 0, "b2"), false, {100});
  EXPECT_FALSE(leases.PolicyDue(7, {limits::kServerPolicyGap - 1}));
  EXPECT_EQ(leases.NextDeadline(7), BootMs{limits::kServerPolicyGap});
  EXPECT_TRUE(leases.PolicyDue(7, {limits::kServerPolicyGap}));
}

TEST(ServerLeases, AreToldNothingOnceTheyHaveLapsed) {
  ServerLeases leases;
  leases.Take(Lease("s", 1, 0), false, {0});
  leases.Lapse({15'000});
  EXPECT_FALSE(leases.PolicyDue(7, {15'000}));
}

TEST(ServerLeases, AreToldAgainOnANewConnection) {
  ServerLeases leases;
  leases.Take(Lease("s", 1, 0), false, {0});
  leases.NotePolicySent({100});
  leases.ForgetSent();
  EXPECT_TRUE(leases.PolicyDue(7, {101}));
}

}  // namespace
}  // namespace sluice
