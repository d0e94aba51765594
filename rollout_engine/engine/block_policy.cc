#include "rollout_engine/engine/block_policy.h"

#include <algorithm>

#include "rollout_engine/engine/limits.h"

namespace sluice {
namespace {

// Changes that one run of the engine may make before its numbers reach those of the next epoch,
// which is at least a second later.
constexpr std::uint64_t kNumbersPerEpoch = 1'000'000;
constexpr std::uint64_t kEpochMax = (std::uint64_t{1} << 53) / kNumbersPerEpoch - 1;

}  // namespace

void BlockPolicy::Begin(std::uint64_t engine_epoch) {
  seq_ = std::clamp<std::uint64_t>(engine_epoch, 1, kEpochMax) * kNumbersPerEpoch;
}

bool BlockPolicy::Update(const std::set<Digest>& blocked) {
  if (blocked == blocked_) return false;
  blocked_ = blocked;
  ++seq_;
  return true;
}

std::vector<std::string> BlockPolicy::Commands() const {
  std::vector<std::string> commands;
  auto next = blocked_.begin();
  do {
    std::string objects;
    for (std::size_t i = 0; i < limits::kBlockedPerCommand && next != blocked_.end(); ++i, ++next) {
      if (i > 0) objects += ',';
      objects += '"' + next->Hex() + '"';
    }
    commands.push_back(R"({"commands":[{"command":"blockObjects","objects":[)" + objects +
                       R"(],"seq":)" + std::to_string(seq_) + "}]}");
  } while (next != blocked_.end());
  return commands;
}

}  // namespace sluice
