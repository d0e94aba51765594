#include "device_sdk/agent/forking_model_host.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

#include "common/contract/limits.h"

namespace sluice::device {
namespace {

constexpr std::size_t kReplyBytesMax = 2 * limits::kValidationSetBytesMax;
constexpr std::size_t kErrorTextMax = 4 * 1024;

void AppendRun(Bytes& to, const SetRun& run) {
  for (const std::uint32_t value : {run.n, run.errors, run.non_finite, run.slow, run.latency_us_p99,
                                    static_cast<std::uint32_t>(run.scores.size())}) {
    AppendLe(to, value);
  }
  Append(to, run.scores);
}

/// Reads fields off the front of a reply; once short, all further fields are zero and `ok` is
/// false.
class ReplyReader {
 public:
  explicit ReplyReader(ByteView bytes) : rest_(bytes) {}
  std::uint32_t Number() {
    const ByteView field = Take(sizeof(std::uint32_t));
    return field.empty() ? 0 : LoadLe<std::uint32_t>(field.data());
  }
  ByteView Take(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const ByteView field = rest_.first(size);
    rest_ = rest_.subspan(size);
    return field;
  }
  SetRun Run() {
    SetRun run;
    run.n = Number();
    run.errors = Number();
    run.non_finite = Number();
    run.slow = Number();
    run.latency_us_p99 = Number();
    const ByteView scores = Take(Number());
    run.scores.assign(scores.begin(), scores.end());
    return run;
  }
  [[nodiscard]] bool AtExactEnd() const { return ok_ && rest_.empty(); }

 private:
  ByteView rest_;
  bool ok_ = true;
};

void WriteAll(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
}

}  // namespace

Bytes EncodeValidationReply(const ValidationReply& reply) {
  Bytes bytes;
  AppendLe(bytes, static_cast<std::uint32_t>(reply.candidate.has_value()));
  if (reply.candidate) {
    AppendRun(bytes, *reply.candidate);
  } else {
    const Error& error = reply.candidate.error();
    const std::string text = error.text.substr(0, kErrorTextMax);
    AppendLe(bytes, static_cast<std::uint32_t>(error.code));
    AppendLe(bytes, static_cast<std::uint32_t>(text.size()));
    Append(bytes, AsBytes(text));
  }
  AppendLe(bytes, static_cast<std::uint32_t>(reply.base.has_value()));
  if (reply.base) AppendRun(bytes, *reply.base);
  return bytes;
}

Result<ValidationReply> DecodeValidationReply(ByteView bytes) {
  ReplyReader reader(bytes);
  ValidationReply reply{std::nullopt, SetRun{}};
  if (reader.Number() == 1) {
    reply.candidate = reader.Run();
  } else {
    const auto code = static_cast<ErrorCode>(reader.Number());
    const ByteView text = reader.Take(reader.Number());
    reply.candidate = Fail(code, std::string(AsText(text)));
  }
  if (reader.Number() == 1) reply.base = reader.Run();
  if (!reader.AtExactEnd()) {
    return Fail(ErrorCode::kHookOutput, "the validation process ended before its result was whole");
  }
  return reply;
}

void ForkingModelHost::BeginValidation(ValidationJob job) {
  CancelValidation();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    failed_start_ =
        Error{ErrorCode::kHookUnavailable, std::string("pipe: ") + std::strerror(errno)};
    return;
  }
  pipe_ = UniqueFd(ends[0]);
  UniqueFd child_end(ends[1]);
  const pid_t parent = getpid();
  child_ = fork();
  if (child_ < 0) {
    failed_start_ =
        Error{ErrorCode::kHookUnavailable, std::string("fork: ") + std::strerror(errno)};
    pipe_.Close();
    return;
  }
  if (child_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    RunChild(job, child_end.get());
  }
  setpgid(child_, child_);
  fcntl(pipe_.get(), F_SETFL, O_NONBLOCK);
  received_.clear();
  deadline_ = clock_.Boot() + limits_.wall_ms;
}

void ForkingModelHost::RunChild(const ValidationJob& job, int out) {
  setpgid(0, 0);
  for (const int signal_number : {SIGTERM, SIGINT, SIGPIPE}) signal(signal_number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const rlimit cpu{limits_.cpu_s, limits_.cpu_s};
  setrlimit(RLIMIT_CPU, &cpu);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  WriteAll(out, EncodeValidationReply(Validate(job)));
  // Nothing of the parent's (threads, sockets, buffered streams) is this process's to clean up.
  _exit(0);
}

bool ForkingModelHost::ReadSome() {
  std::uint8_t buffer[64 * 1024];
  while (received_.size() <= kReplyBytesMax) {
    const ssize_t got = read(pipe_.get(), buffer, sizeof buffer);
    if (got > 0) {
      received_.insert(received_.end(), buffer, buffer + got);
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }
  return true;
}

std::optional<ValidationReply> ForkingModelHost::PollValidation() {
  if (failed_start_) {
    ValidationReply reply{std::nullopt, Fail(*std::exchange(failed_start_, std::nullopt))};
    return reply;
  }
  if (child_ <= 0) return std::nullopt;
  if (ReadSome()) return Finish();
  if (clock_.Boot() < deadline_) return std::nullopt;
  CancelValidation();
  return ValidationReply{std::nullopt,
                         Fail(ErrorCode::kHookTimeout, "the validation did not end in time")};
}

ValidationReply ForkingModelHost::Finish() {
  // Its end of the pipe is closed, so it is at its end; whatever the model left running is not.
  kill(-child_, SIGKILL);
  int status = 0;
  while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
  }
  child_ = -1;
  pipe_.Close();
  Result<ValidationReply> reply = DecodeValidationReply(std::exchange(received_, {}));
  if (reply) return *std::move(reply);
  const std::string how = WIFSIGNALED(status) ? strsignal(WTERMSIG(status))
                                              : "exit " + std::to_string(WEXITSTATUS(status));
  return {std::nullopt, Fail(ErrorCode::kLoad, "the model ended the validation process: " + how)};
}

void ForkingModelHost::CancelValidation() {
  failed_start_.reset();
  if (child_ <= 0) return;
  kill(-child_, SIGKILL);
  kill(child_, SIGKILL);  // in case it had no time to become a group
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
  child_ = -1;
  pipe_.Close();
}

}  // namespace sluice::device
