// Serves in this process, validates in a fork of it, so that a model that crashes, hangs or leaks
// harms nothing.
#pragma once

#include <sys/types.h>

#include "common/base/clock.h"
#include "device_sdk/agent/model_host.h"

namespace sluice::device {

struct ValidationLimits {
  std::int64_t wall_ms = 15 * 60'000;  // hooks have shorter ones of their own
  std::uint32_t cpu_s = 10 * 60;
};

class ForkingModelHost final : public InProcessModelHost {
 public:
  ForkingModelHost(sdk::ModelRunner& runner, const Clock& clock, ValidationLimits limits = {})
      : InProcessModelHost(runner), clock_(clock), limits_(limits) {}
  ~ForkingModelHost() override { CancelValidation(); }

  void BeginValidation(ValidationJob job) override;
  std::optional<ValidationReply> PollValidation() override;
  void CancelValidation() override;
  [[nodiscard]] bool IsValidating() const override {
    return child_ > 0 || failed_start_.has_value();
  }

 private:
  [[noreturn]] void RunChild(const ValidationJob& job, int out);
  bool ReadSome();
  ValidationReply Finish();

  const Clock& clock_;
  const ValidationLimits limits_;
  pid_t child_ = -1;
  UniqueFd pipe_;
  Bytes received_;
  BootMs deadline_{};
  std::optional<Error> failed_start_;
};

/// The reply as bytes for the pipe, and back; E_HOOK_OUTPUT for anything that Encode did not make.
Bytes EncodeValidationReply(const ValidationReply& reply);
Result<ValidationReply> DecodeValidationReply(ByteView bytes);

}  // namespace sluice::device
