#include "common/contract/root.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Roles, KeepTheEngineAwayFromWhatIsSignedOffline) {
  EXPECT_EQ(RoleOf(PayloadType::kRoot), Role::kRoot);
  EXPECT_EQ(RoleOf(PayloadType::kManifest), Role::kRelease);
  EXPECT_EQ(RoleOf(PayloadType::kRevocations), Role::kRelease);
  for (const PayloadType type : {PayloadType::kDirective, PayloadType::kOrder,
                                 PayloadType::kFreshness, PayloadType::kAnswer}) {
    EXPECT_EQ(RoleOf(type), Role::kDirector) << PayloadTypeName(type);
  }
  EXPECT_EQ(RoleOf(static_cast<PayloadType>(0)), Role::kRoot);
}

TEST(Roles, HaveNames) {
  EXPECT_EQ(RoleName(Role::kRoot), "root");
  EXPECT_EQ(RoleName(Role::kRelease), "release");
  EXPECT_EQ(RoleName(Role::kDirector), "director");
  EXPECT_EQ(RoleName(static_cast<Role>(7)), "unknown");
}

TEST(RootKeys, AreFoundByRole) {
  Root root;
  root.root.threshold = 3;
  root.release.threshold = 4;
  root.director.threshold = 5;
  EXPECT_EQ(root.KeysOf(Role::kRoot).threshold, 3);
  EXPECT_EQ(root.KeysOf(Role::kRelease).threshold, 4);
  EXPECT_EQ(root.KeysOf(Role::kDirector).threshold, 5);
  EXPECT_DEATH(static_cast<void>(root.KeysOf(static_cast<Role>(7))), "E_INTERNAL");
}

}  // namespace
}  // namespace sluice
