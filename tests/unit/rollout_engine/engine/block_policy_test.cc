#include "rollout_engine/engine/block_policy.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/contract/limits.h"
#include "rollout_engine/engine/limits.h"

namespace sluice {
namespace {

using nlohmann::json;

Digest Object(std::uint32_t number) {
  Digest digest;
  StoreLe<std::uint32_t>(digest.bytes.data(), number);
  return digest;
}

TEST(BlockPolicy, SaysThatNothingIsBlockedToo) {
  BlockPolicy policy;
  policy.Begin(3);
  EXPECT_EQ(policy.Commands(),
            std::vector<std::string>{R"({"commands":[{"command":"blockObjects","objects":[],)"
                                     R"("seq":3000000}]})"});
}

TEST(BlockPolicy, GetsANewNumberOnlyWhenItChanges) {
  BlockPolicy policy;
  policy.Begin(3);
  EXPECT_FALSE(policy.Update({}));
  EXPECT_TRUE(policy.Update({Object(1), Object(2)}));
  EXPECT_FALSE(policy.Update({Object(2), Object(1)}));
  EXPECT_EQ(policy.seq(), 3'000'001U);
  const json command = json::parse(policy.Commands().at(0)).at("commands").at(0);
  EXPECT_EQ(command.at("command"), "blockObjects");
  EXPECT_EQ(command.at("objects"), json({Object(1).Hex(), Object(2).Hex()}));
  EXPECT_EQ(command.at("seq"), 3'000'001);
}

TEST(BlockPolicy, NumbersRiseWithTheEpochAndStayWhatJsonCanCarry) {
  BlockPolicy older;
  older.Begin(1'790'000'000);
  for (std::uint32_t i = 1; i < 1'000; ++i) older.Update({Object(i)});
  BlockPolicy newer;
  newer.Begin(1'790'000'001);
  EXPECT_GT(newer.seq(), older.seq());
  newer.Begin(UINT64_MAX);
  EXPECT_LT(newer.seq(), std::uint64_t{1} << 53);
  newer.Begin(0);
  EXPECT_GT(newer.seq(), 0U);
}

TEST(BlockPolicy, TakesAsManyCommandsAsFitTheirPayloads) {
  BlockPolicy policy;
  std::set<Digest> blocked;
  for (std::uint32_t i = 0; i < 2 * limits::kBlockedPerCommand + 1; ++i) blocked.insert(Object(i));
  policy.Update(blocked);
  const auto commands = policy.Commands();
  ASSERT_EQ(commands.size(), 3U);
  std::set<Digest> said;
  for (const std::string& text : commands) {
    EXPECT_LE(text.size(), limits::kMqttPayloadMax);
    const json command = json::parse(text).at("commands").at(0);
    EXPECT_EQ(command.at("seq"), policy.seq());
    for (const std::string hex : command.at("objects")) said.insert(*DigestFromHex(hex));
  }
  EXPECT_EQ(said, blocked);
}

}  // namespace
}  // namespace sluice
