#include "device_sdk/agent/model_host.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace sluice::device {
namespace {

/// A runner's answer as ours: its code if it is one of the table, else `otherwise`.
Status ToStatus(const sdk::Status& status, ErrorCode otherwise) {
  if (status.ok()) return {};
  return Fail(CodeFromName(status.code).value_or(otherwise), status.text);
}

/// Runs `call`; an exception of the application becomes an error instead of the end of the agent.
template <class Call>
Status Guarded(ErrorCode otherwise, Call call) {
  try {
    return ToStatus(call(), otherwise);
  } catch (const std::exception& thrown) {
    return Fail(otherwise, std::string("the runner threw: ") + thrown.what());
  } catch (...) {
    return Fail(otherwise, "the runner threw");
  }
}

sdk::ModelFile FileOf(const VerifiedModel& model) {
  return {.fd = model.fd.get(),
          .size_bytes = model.size_bytes,
          .sha256 = model.sha256.bytes,
          .release = model.release,
          .format = model.format,
          .runtime_abi = model.runtime_abi,
          .purpose = model.purpose,
          .slot = model.slot,
          .activation = model.activation,
          .latency_limit = std::chrono::microseconds(model.latency_limit_us)};
}

/// The set behind a descriptor of its own, at offset 0.
Result<UniqueFd> MemoryFile(ByteView bytes) {
  UniqueFd fd(memfd_create("sluice-validation-set", MFD_CLOEXEC));
  for (std::size_t at = 0; fd.IsOpen() && at < bytes.size();) {
    const ssize_t wrote = write(fd.get(), bytes.data() + at, bytes.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      fd.Close();
      break;
    }
    at += static_cast<std::size_t>(wrote);
  }
  if (!fd.IsOpen() || lseek(fd.get(), 0, SEEK_SET) != 0) {
    return Fail(ErrorCode::kIo, std::string("validation set in memory: ") + std::strerror(errno));
  }
  return fd;
}

}  // namespace

Status InProcessModelHost::Serve(VerifiedModel model) {
  std::unique_ptr<sdk::Model> loaded;
  SLUICE_TRY(Guarded(ErrorCode::kLoad, [&] { return runner_.Load(FileOf(model), loaded); }));
  return Guarded(ErrorCode::kLoad, [&] { return runner_.Activate(std::move(loaded)); });
}

void InProcessModelHost::ServeNothing() {
  static_cast<void>(Guarded(ErrorCode::kLoad, [&] { return runner_.Activate(nullptr); }));
}

Result<SetRun> InProcessModelHost::RunOne(const VerifiedModel& model, const ValidationJob& job) {
  std::unique_ptr<sdk::Model> loaded;
  SLUICE_TRY(Guarded(ErrorCode::kLoad, [&] { return runner_.Load(FileOf(model), loaded); }));
  UniqueFd file;
  if (job.set) {
    SLUICE_ASSIGN(file, MemoryFile(*job.set));
  }
  const sdk::ValidationSet set{file.get(), job.set ? job.set->size() : 0};
  sdk::ValidationResult result;
  SLUICE_TRY(Guarded(ErrorCode::kValidation, [&] {
    return runner_.Validate(*loaded, set, std::chrono::microseconds(job.latency_limit_us), result);
  }));
  if (!job.set) return SetRun{};
  return SetRun{.n = result.n,
                .errors = result.errors,
                .non_finite = result.non_finite,
                .slow = result.slow,
                .latency_us_p99 = result.latency_us_p99,
                .scores = std::move(result.scores)};
}

ValidationReply InProcessModelHost::Validate(const ValidationJob& job) {
  ValidationReply reply{std::nullopt, RunOne(job.candidate, job)};
  // Without a set there is nothing to compare, and a failed candidate needs no comparison.
  if (job.base && job.set && reply.candidate) {
    if (Result<SetRun> base = RunOne(*job.base, job)) reply.base = *std::move(base);
  }
  return reply;
}

void InProcessModelHost::BeginValidation(ValidationJob job) { reply_ = Validate(job); }

std::optional<ValidationReply> InProcessModelHost::PollValidation() {
  return std::exchange(reply_, std::nullopt);
}

Status InProcessModelHost::Health() {
  return Guarded(ErrorCode::kHealth, [&] { return runner_.Health(); });
}

std::optional<sdk::RunnerCounters> InProcessModelHost::Counters() {
  sdk::RunnerCounters counters;
  bool has_own = false;
  const Status asked = Guarded(ErrorCode::kHealth, [&] {
    has_own = runner_.Counters(counters);
    return sdk::Status{};
  });
  if (!asked || !has_own) return std::nullopt;
  return counters;
}

}  // namespace sluice::device
