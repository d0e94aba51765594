#include "rollout_engine/core/delta_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

DeliveryNeed Need() {
  DeliveryNeed need;
  need.active_artifact.bytes[0] = 1;
  need.base_known = true;
  need.codec_mask = 0b1111;
  need.window_bytes = 65'536;
  need.artifact_bytes = 340'000;
  need.manifest_bytes = 1'000;
  need.hash_list_bytes = 192;
  need.validation_set_bytes = 23'000;
  return need;
}

TEST(DeltaPlan, AsksForADeltaAloneWhenTheBaseIsKnown) {
  const auto requests = PlanPayloads(Need(), {});
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].base, Need().active_artifact);
  EXPECT_EQ(requests[0].codec_mask, 0b1111u);
}

TEST(DeltaPlan, AsksForTheFullOneWithoutABase) {
  DeliveryNeed unknown = Need();
  unknown.base_known = false;
  DeliveryNeed empty = Need();
  empty.active_artifact = {};
  for (const DeliveryNeed& need : {unknown, empty}) {
    const auto requests = PlanPayloads(need, {});
    ASSERT_THAT(requests, SizeIs(1));
    EXPECT_TRUE(requests[0].base.IsZero());
  }
}

TEST(DeltaPlan, AsksForTheFullOneBesideADeltaOnlyIfTheFilePaysForIt) {
  EXPECT_THAT(PlanPayloads(Need(), {.max_bytes_per_device = 364'191}), SizeIs(1));
  EXPECT_THAT(PlanPayloads(Need(), {.max_bytes_per_device = 364'192}), SizeIs(2));
}

TEST(DeltaPlan, BudgetIsTheSmallestPayloadWithAllThatComesWithIt) {
  const std::vector<std::uint64_t> sizes = {10'000};
  const auto plan = PlanBudget(Need(), {}, sizes);
  ASSERT_TRUE(plan.has_value());
  // 1.25 x (10,000 + 1,000 + 192 + 23,000) + 2 x 65,536
  EXPECT_EQ(plan->byte_budget, 42'740u + 131'072u);
  EXPECT_THAT(plan->order, ElementsAre(0));
}

TEST(DeltaPlan, AFullPayloadNeverSlipsIntoTheBudgetOfADelta) {
  DeliveryNeed need = Need();
  need.window_bytes = 4'096;
  const std::vector<std::uint64_t> sizes = {340'000, 10'000};
  EXPECT_THAT(PlanBudget(need, {}, sizes)->order, ElementsAre(1));
  EXPECT_THAT(PlanBudget(need, {.max_bytes_per_device = 400'000}, sizes)->order, ElementsAre(1, 0));
  EXPECT_EQ(PlanBudget(need, {.max_bytes_per_device = 400'000}, sizes)->byte_budget, 400'000u);
}

TEST(DeltaPlan, RefusesWhatNoPayloadFits) {
  const std::vector<std::uint64_t> sizes = {340'000};
  const auto plan = PlanBudget(Need(), {.max_bytes_per_device = 50'000}, sizes);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code, ErrorCode::kBudget);
  EXPECT_NE(plan.error().text.find("364192 bytes, allowed 50000"), std::string::npos);
  EXPECT_EQ(PlanBudget(Need(), {}, {}).error().code, ErrorCode::kNoBase);
}

}  // namespace
}  // namespace sluice
