// The port between the agent and the application's model: serve verified bytes, run the validation
// set.
#pragma once

#include <optional>

#include "common/contract/manifest.h"
#include "device_sdk/agent/unique_fd.h"
#include "device_sdk/core/health.h"
#include "device_sdk/include/sluice/device.h"

namespace sluice::device {

/// An artifact whose bytes were hashed through `fd` and match its manifest.
struct VerifiedModel {
  UniqueFd fd;
  std::uint64_t size_bytes = 0;
  Digest sha256;
  std::string release, format, runtime_abi;
  sdk::Purpose purpose = sdk::Purpose::kStart;
  char slot = 'a';
  std::uint32_t activation = 0;
  std::uint32_t latency_limit_us = 0;
};

struct ValidationJob {
  std::optional<VerifiedModel> base;
  VerifiedModel candidate;
  std::optional<Bytes> set;  // nothing = load only
  std::uint32_t latency_limit_us = 0;
};

struct ValidationReply {
  std::optional<SetRun> base;
  Result<SetRun> candidate;  // E_LOAD, E_ABI, E_HOOK_*, E_VALIDATION
};

/// Called on the agent's thread only. Every Status that a runner gives keeps its code if it is a
/// known one, else it becomes E_LOAD (Serve, validation) or E_HEALTH (Health).
class ModelHost {
 public:
  virtual ~ModelHost() = default;

  /// Loads `model` beside what serves and swaps. On error the former model still serves.
  virtual Status Serve(VerifiedModel model) = 0;
  virtual void ServeNothing() = 0;

  virtual void BeginValidation(ValidationJob job) = 0;
  /// The end of the validation that was begun, once; nothing while it runs.
  virtual std::optional<ValidationReply> PollValidation() = 0;
  virtual void CancelValidation() = 0;
  /// True while PollValidation is worth a call every few milliseconds.
  [[nodiscard]] virtual bool IsValidating() const = 0;

  virtual Status Health() = 0;
  virtual std::optional<sdk::RunnerCounters> Counters() = 0;
};

/// Runs everything on the calling thread; BeginValidation returns when the validation is over.
class InProcessModelHost : public ModelHost {
 public:
  /// `runner` must outlive it.
  explicit InProcessModelHost(sdk::ModelRunner& runner) : runner_(runner) {}

  Status Serve(VerifiedModel model) override;
  void ServeNothing() override;
  void BeginValidation(ValidationJob job) override;
  std::optional<ValidationReply> PollValidation() override;
  void CancelValidation() override { reply_.reset(); }
  [[nodiscard]] bool IsValidating() const override { return reply_.has_value(); }
  Status Health() override;
  std::optional<sdk::RunnerCounters> Counters() override;

 protected:
  /// The validation itself, wherever it runs.
  ValidationReply Validate(const ValidationJob& job);

 private:
  Result<SetRun> RunOne(const VerifiedModel& model, const ValidationJob& job);

  sdk::ModelRunner& runner_;
  std::optional<ValidationReply> reply_;
};

}  // namespace sluice::device
