#include "device_sdk/daemon/hook_runner.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "common/base/bytes.h"

namespace sluice::device {
namespace {

using nlohmann::json;

// Exit codes of a hook (docs/device.md).
constexpr int kModelBad = 10;
constexpr int kDoesNotFit = 11;
constexpr int kCannotTellNow = 20;
constexpr int kUnavailableRetries = 3;
constexpr int kFailureRetries = 1;

class HookModel final : public sdk::Model {
 public:
  HookModel(int fd, const sdk::ModelFile& file)
      : fd_(fd), sha256_(ToHex(file.sha256)), release_(file.release), format_(file.format) {}
  ~HookModel() override { close(fd_); }
  HookModel(const HookModel&) = delete;
  HookModel& operator=(const HookModel&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const std::string& sha256() const { return sha256_; }
  [[nodiscard]] const std::string& release() const { return release_; }
  [[nodiscard]] const std::string& format() const { return format_; }

 private:
  const int fd_;
  const std::string sha256_, release_, format_;
};

sdk::Status ToSdk(const Error& error) { return {std::string(CodeName(error.code)), error.text}; }

Error OutputError(std::string why) {
  return {ErrorCode::kHookOutput, std::move(why) + "; see docs/device.md for the hooks' answers"};
}

std::string WithStderr(std::string text, const HookOutcome& outcome) {
  return outcome.stderr_tail.empty() ? text : text + "; its last words: " + outcome.stderr_tail;
}

// 0, -1 when invalid: standard alphabet with padding.
int Base64Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

Result<Bytes> FromBase64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  Bytes bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int value = Base64Value(c);
    if (value < 0) return Fail(OutputError("scores is not base64"));
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xFFFFFFu;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<std::uint8_t>(bits >> held & 0xFF));
  }
  return bytes;
}

Result<json> ParseAnswer(const std::string& line) {
  json parsed = json::parse(line, nullptr, false);
  if (!parsed.is_object())
    return Fail(OutputError("the last line of stdout is not one JSON object"));
  return parsed;
}

Result<std::uint32_t> Count(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned() ||
      found->get<std::uint64_t>() > UINT32_MAX) {
    return Fail(OutputError(std::string(key) + " is missing or not a whole number below 2^32"));
  }
  return found->get<std::uint32_t>();
}

Result<std::string> Text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string())
    return Fail(OutputError(std::string(key) + " is missing or no text"));
  return found->get<std::string>();
}

Result<sdk::ValidationResult> ParseValidation(const std::string& line) {
  SLUICE_ASSIGN(const json answer, ParseAnswer(line));
  sdk::ValidationResult result;
  SLUICE_ASSIGN(result.n, Count(answer, "n"));
  SLUICE_ASSIGN(result.errors, Count(answer, "errors"));
  SLUICE_ASSIGN(result.non_finite, Count(answer, "nonfinite"));
  SLUICE_ASSIGN(result.slow, Count(answer, "slow"));
  SLUICE_ASSIGN(result.latency_us_p99, Count(answer, "latency_us_p99"));
  SLUICE_ASSIGN(const std::string scores, Text(answer, "scores"));
  SLUICE_ASSIGN(result.scores, FromBase64(scores));
  if (result.scores.size() != result.n) return Fail(OutputError("scores does not hold n bytes"));
  return result;
}

Result<HookCounters> ParseCounters(const std::string& line) {
  SLUICE_ASSIGN(const json answer, ParseAnswer(line));
  HookCounters counters;
  SLUICE_ASSIGN(counters.loaded_sha256, Text(answer, "loaded_sha256"));
  SLUICE_ASSIGN(counters.inferences, Count(answer, "inferences"));
  SLUICE_ASSIGN(counters.errors, Count(answer, "errors"));
  SLUICE_ASSIGN(counters.over_latency, Count(answer, "over_latency"));
  SLUICE_ASSIGN(counters.labelled, Count(answer, "labelled"));
  SLUICE_ASSIGN(counters.rss_kb, Count(answer, "rss_kb"));
  const auto sum = answer.find("score_sum");
  if (sum == answer.end() || !sum->is_number())
    return Fail(OutputError("score_sum is missing or no number"));
  counters.score_sum = sum->get<double>();
  if (!(counters.score_sum >= 0 && counters.score_sum <= counters.labelled)) {
    return Fail(OutputError("score_sum is not between 0 and labelled"));
  }
  return counters;
}

}  // namespace

HookCommand HookRunner::CommandFor(const std::vector<std::string>& argv) const {
  HookCommand command;
  command.argv = argv;
  command.environment["SLUICE_DEVICE"] = commands_.device_id;
  return command;
}

Result<std::string> HookRunner::Ask(Hook hook, HookCommand command) {
  const auto timeout = hook == Hook::kValidate   ? commands_.validate_timeout
                       : hook == Hook::kActivate ? commands_.activate_timeout
                                                 : commands_.health_timeout;
  command.timeout = timeout;
  const std::string name = command.argv[0];
  int unavailable = 0, failures = 0;
  while (true) {
    SLUICE_ASSIGN(const HookOutcome outcome, run_(command));
    if (outcome.end == HookEnd::kExited && outcome.exit_code == 0) return outcome.last_line;
    if (outcome.end == HookEnd::kExited && outcome.exit_code == kModelBad) {
      return Fail(ErrorCode::kLoad, WithStderr(name + " says that the model is bad", outcome));
    }
    if (outcome.end == HookEnd::kExited && outcome.exit_code == kDoesNotFit) {
      return Fail(ErrorCode::kAbi,
                  WithStderr(name + " says that the model does not fit this runtime", outcome));
    }
    if (hook == Hook::kHealth) {  // one unhealthy sample; the next one follows anyway
      return Fail(ErrorCode::kHealth, WithStderr(name + " reports no health", outcome));
    }
    if (outcome.end == HookEnd::kExited && outcome.exit_code == kCannotTellNow) {
      if (++unavailable > kUnavailableRetries) {
        return Fail(ErrorCode::kHookUnavailable,
                    WithStderr(name + " could not tell, four times", outcome));
      }
      sleep_(commands_.unavailable_delay);
      continue;
    }
    if (++failures <= kFailureRetries) continue;
    if (outcome.end == HookEnd::kTimedOut) {
      return Fail(
          ErrorCode::kHookTimeout,
          WithStderr(name + " did not end within " + std::to_string(timeout.count()) + " ms, twice",
                     outcome));
    }
    return Fail(ErrorCode::kHookFailed, WithStderr(name + " failed twice", outcome));
  }
}

sdk::Status HookRunner::Load(const sdk::ModelFile& file, std::unique_ptr<sdk::Model>& out) {
  const int fd = fcntl(file.fd, F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return {"E_IO", "cannot keep the model's descriptor"};
  out = std::make_unique<HookModel>(fd, file);
  return {};
}

sdk::Status HookRunner::Validate(sdk::Model& model, const sdk::ValidationSet& set,
                                 std::chrono::microseconds latency_limit,
                                 sdk::ValidationResult& out) {
  if (commands_.validate.empty()) return {"E_HOOK_UNAVAILABLE", "no validate hook is configured"};
  const auto& hook_model = static_cast<const HookModel&>(model);
  const bool is_base = hook_model.sha256() == serving_sha256_;
  HookCommand command = CommandFor(commands_.validate);
  command.argv.insert(command.argv.end(), {"--model", std::to_string(hook_model.fd()), "--role",
                                           is_base ? "base" : "new", "--budget-ms",
                                           std::to_string(commands_.validate_timeout.count())});
  command.inherited_fds = {hook_model.fd()};
  if (set.fd >= 0) {
    command.argv.insert(command.argv.end(), {"--data", std::to_string(set.fd)});
    command.inherited_fds.push_back(set.fd);
  }
  command.environment["SLUICE_RELEASE"] = hook_model.release();
  command.environment["SLUICE_FORMAT"] = hook_model.format();
  command.environment["SLUICE_LATENCY_US_MAX"] = std::to_string(latency_limit.count());
  const Result<std::string> line = Ask(Hook::kValidate, std::move(command));
  if (!line) return ToSdk(line.error());
  Result<sdk::ValidationResult> result = ParseValidation(*line);
  if (!result) return ToSdk(result.error());
  if (!is_base) candidate_sha256_ = hook_model.sha256();
  out = std::move(*result);
  return {};
}

sdk::Status HookRunner::Activate(std::unique_ptr<sdk::Model> model) {
  counters_.reset();
  if (model == nullptr) {  // serve nothing: the application is not told to stop, it is just no
                           // longer vouched for
    serving_sha256_.clear();
    return {};
  }
  if (commands_.activate.empty()) return {"E_HOOK_UNAVAILABLE", "no activate hook is configured"};
  const auto& hook_model = static_cast<const HookModel&>(*model);
  const char* reason = hook_model.sha256() == candidate_sha256_ ? "install"
                       : serving_sha256_.empty()                ? "start"
                                                                : "revert";
  HookCommand command = CommandFor(commands_.activate);
  command.argv.insert(command.argv.end(),
                      {"--model", std::to_string(hook_model.fd()), "--reason", reason});
  command.inherited_fds = {hook_model.fd()};
  command.environment["SLUICE_RELEASE"] = hook_model.release();
  command.environment["SLUICE_FORMAT"] = hook_model.format();
  const Result<std::string> line = Ask(Hook::kActivate, std::move(command));
  if (!line) return ToSdk(line.error());
  const Result<json> answer = ParseAnswer(*line);
  if (!answer) return ToSdk(answer.error());
  const Result<std::string> loaded = Text(*answer, "loaded_sha256");
  if (!loaded) return ToSdk(loaded.error());
  if (*loaded != hook_model.sha256())
    return {"E_LOAD", "the application serves " + *loaded + ", not what it was given"};
  candidate_sha256_.clear();
  serving_sha256_ = *loaded;
  return {};
}

sdk::Status HookRunner::Health() {
  if (commands_.health.empty() || serving_sha256_.empty()) return {};
  const Result<std::string> line = Ask(Hook::kHealth, CommandFor(commands_.health));
  if (!line) return ToSdk(line.error());
  Result<HookCounters> counters = ParseCounters(*line);
  if (!counters) return ToSdk(counters.error());
  if (counters->loaded_sha256 != serving_sha256_) {
    return {"E_HEALTH",
            "the application serves " + counters->loaded_sha256 + ", not what it was given"};
  }
  counters_ = std::move(*counters);
  return {};
}

}  // namespace sluice::device
