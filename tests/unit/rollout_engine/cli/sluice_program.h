// Runs the built `sluice` as a user would and keeps what it printed.
#pragma once

#include <string>
#include <vector>

namespace sluice {

struct Finished {
  int exit_code = -1;  // -1 = ended by a signal
  std::string out;
  std::string err;
};

/// In `directory`, without a terminal, with only these variables in its environment. Ends the test
/// program when `sluice` cannot be started.
Finished RunProgram(const std::string& directory, const std::vector<std::string>& arguments,
                    const std::vector<std::string>& environment = {});

}  // namespace sluice
