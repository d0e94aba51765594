// The objects that nobody may fetch, as servers inside brokers are told: always all of them, under
// one number that rises with each change and over restarts of the engine.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace sluice {

class BlockPolicy {
 public:
  /// Numbers above those of every engine with a lower epoch, and below 2^53, which JSON can carry.
  void Begin(std::uint64_t engine_epoch);
  /// True when `blocked` differs from what stood: it stands now, under a new number.
  bool Update(const std::set<Digest>& blocked);

  [[nodiscard]] std::uint64_t seq() const { return seq_; }
  /// The `blockObjects` commands that say it, each within one MQTT payload. A server replaces its
  /// list when the number is higher than the one it holds, and adds to it when it is the same.
  [[nodiscard]] std::vector<std::string> Commands() const;

 private:
  std::set<Digest> blocked_;
  std::uint64_t seq_ = 1;
};

}  // namespace sluice
