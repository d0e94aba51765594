// A ModelRunner whose model lives in another process: three executables validate, activate and
// watch it.
//
// The hooks' contract is docs/device.md, "Beside an application". Not thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "device_sdk/daemon/hook_process.h"
#include "device_sdk/include/sluice/device.h"

namespace sluice::device {

struct HookCommands {
  std::vector<std::string> validate, activate, health;  // argv; empty = no such hook
  std::string device_id;
  std::chrono::milliseconds validate_timeout{120'000};
  std::chrono::milliseconds activate_timeout{10'000};
  std::chrono::milliseconds health_timeout{5'000};
  std::chrono::milliseconds unavailable_delay{
      30'000};  // before a hook that cannot tell now is asked again
};

class HookRunner final : public sdk::ModelRunner {
 public:
  /// `run` is RunHook, or a test's; `sleep` waits between two attempts.
  using Run = std::function<Result<HookOutcome>(const HookCommand&)>;
  using Sleep = std::function<void(std::chrono::milliseconds)>;
  HookRunner(HookCommands commands, Run run, Sleep sleep)
      : commands_(std::move(commands)), run_(std::move(run)), sleep_(std::move(sleep)) {}

  /// Keeps the descriptor for the hooks; the smoke load is the validate hook's.
  sdk::Status Load(const sdk::ModelFile& file, std::unique_ptr<sdk::Model>& out) override;
  sdk::Status Validate(sdk::Model& model, const sdk::ValidationSet& set,
                       std::chrono::microseconds latency_limit,
                       sdk::ValidationResult& out) override;
  sdk::Status Activate(std::unique_ptr<sdk::Model> model) override;
  /// The health hook's exit code and whether the application serves what was activated.
  sdk::Status Health() override;

  bool Counters(sdk::RunnerCounters& out) override;

 private:
  enum class Hook { kValidate, kActivate, kHealth };
  /// Runs a hook as often as its contract says; its last line when it exited with 0.
  Result<std::string> Ask(Hook hook, HookCommand command);
  [[nodiscard]] HookCommand CommandFor(const std::vector<std::string>& argv,
                                       const sdk::ModelFile& file) const;

  const HookCommands commands_;
  const Run run_;
  const Sleep sleep_;
  std::string serving_sha256_;  // "" = nothing
  std::uint32_t activation_ = 0;
  std::optional<sdk::RunnerCounters> counters_;  // of the last Health
};

}  // namespace sluice::device
