// What every command of `sluice` is given: where it prints, how, whom it asks, and the exit code it
// leaves.
#pragma once

#include <ostream>
#include <string>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"

namespace CLI {
class App;
}

namespace sluice {

enum class OutputFormat { kTable, kWide, kJson, kYaml, kName };

/// Exit codes are part of the interface: scripts branch on them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitOther = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitRefused = 4;
inline constexpr int kExitTimeout = 5;
inline constexpr int kExitHeld = 6;    // paused, holding, waiting for approval, inconclusive
inline constexpr int kExitFailed = 7;  // failed, aborted, rolled back

int ExitCodeOf(ErrorCode code) noexcept;

struct Session {
  std::ostream& out;  // data
  std::ostream& err;  // messages
  const Clock& clock;
  Random& random;
  bool live = false;  // stdout is a terminal and NO_COLOR is unset: lines may be redrawn
  std::string socket_path{};
  OutputFormat output = OutputFormat::kTable;
  int exit_code = kExitOk;

  [[nodiscard]] bool WantsDocument() const {
    return output == OutputFormat::kJson || output == OutputFormat::kYaml;
  }
  /// Prints the error of a command that failed and keeps its exit code.
  void Finish(const Status& status);
};

/// Adds `-o, --output` to a command that prints data.
void AddOutputOption(CLI::App& command, Session& session);

/// Prints a JSON document as it is or as YAML. REQUIRES: session.WantsDocument().
Status PrintDocument(Session& session, std::string_view json);

/// Runs `sluice` with these arguments and returns its exit code.
int RunSluice(int argc, const char* const* argv, Session& session);

}  // namespace sluice
