#include "broker_plugin/partition.h"

#include <gtest/gtest.h>

#include <string>

#include "common/crypto/digest.h"

namespace sluice::plugin {
namespace {

TEST(ShortSha256, IsThatOfFips180) {
  EXPECT_EQ(ShortSha256("abc").Hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(ShortSha256, AgreesWithTheLibraryForEveryLengthThatItTakes) {
  std::string text;
  for (std::size_t size = 0; size <= 119; ++size) {
    EXPECT_EQ(ShortSha256(text), Sha256(AsBytes(text))) << size;
    text += static_cast<char>('a' + size % 26);
  }
}

TEST(ShortSha256DeathTest, TakesNoLongerText) {
  EXPECT_DEATH(ShortSha256(std::string(120, 'a')), "check failed");
}

TEST(PartitionOfDevice, IsTheOneThatEngineAndSdkCompute) {
  for (int i = 0; i < 500; ++i) {
    const std::string device = "cam-" + std::to_string(i);
    EXPECT_EQ(PartitionOfDevice(device), PartitionOf(device)) << device;
  }
}

}  // namespace
}  // namespace sluice::plugin
