// What did not hold in a simulated world, in the order in which it was found.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sluice::sim {

class Violations {
 public:
  void Add(std::string what) { all_.push_back(std::move(what)); }
  [[nodiscard]] const std::vector<std::string>& all() const { return all_; }

 private:
  std::vector<std::string> all_;
};

}  // namespace sluice::sim
