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
  /// Takes over `fd`, which stands for the one in `file`.
  HookModel(int fd, sdk::ModelFile file) : file_(std::move(file)) { file_.fd = fd; }
  ~HookModel() override { close(file_.fd); }
  HookModel(const HookModel&) = delete;
  HookModel& operator=(const HookModel&) = delete;

  [[nodiscard]] const sdk::ModelFile& file() const { return file_; }

 private:
  sdk::ModelFile file_;
};

const sdk::ModelFile& FileOf(const sdk::Model& model) {
  return static_cast<const HookModel&>(model).file();
}

std::string ReasonFor(sdk::Purpose purpose) {
  switch (purpose) {
    case sdk::Purpose::kRevert:
      return "revert";
    case sdk::Purpose::kStart:
      return "start";
    case sdk::Purpose::kInstall:
    case sdk::Purpose::kValidateBase:
    case sdk::Purpose::kValidateNew:
      return "install";
  }
  return "install";
}

sdk::Status ToSdk(const Error& error) { return {std::string(CodeName(error.code)), error.text}; }

Error OutputError(std::string why) {
  return {ErrorCode::kHookOutput, std::move(why) + "; see docs/device.md for the hooks' answers"};
}

std::string WithStderr(const std::string& text, const HookOutcome& outcome) {
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

struct HealthAnswer {
  std::string loaded_sha256;
  sdk::RunnerCounters counters;
};

Result<HealthAnswer> ParseHealth(const std::string& line) {
  SLUICE_ASSIGN(const json answer, ParseAnswer(line));
  HealthAnswer health;
  sdk::RunnerCounters& counters = health.counters;
  SLUICE_ASSIGN(health.loaded_sha256, Text(answer, "loaded_sha256"));
  SLUICE_ASSIGN(counters.inferences, Count(answer, "inferences"));
  SLUICE_ASSIGN(counters.errors, Count(answer, "errors"));
  SLUICE_ASSIGN(counters.over_latency, Count(answer, "over_latency"));
  SLUICE_ASSIGN(counters.labelled, Count(answer, "labelled"));
  SLUICE_ASSIGN(counters.rss_kb, Count(answer, "rss_kb"));
  const auto sum = answer.find("score_sum");
  if (sum == answer.end() || !sum->is_number()) {
    return Fail(OutputError("score_sum is missing or no number"));
  }
  counters.score_sum = sum->get<double>();
  if (!(counters.score_sum >= 0 && counters.score_sum <= counters.labelled)) {
    return Fail(OutputError("score_sum is not between 0 and labelled"));
  }
  return health;
}

}  // namespace

HookCommand HookRunner::CommandFor(const std::vector<std::string>& argv,
                                   const sdk::ModelFile& file) const {
  HookCommand command;
  command.argv = argv;
  command.inherited_fds = {file.fd};
  command.environment = {{"SLUICE_DEVICE", commands_.device_id},
                         {"SLUICE_RELEASE", file.release},
                         {"SLUICE_FORMAT", file.format},
                         {"SLUICE_SLOT", std::string(1, file.slot)}};
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
  if (commands_.validate.empty()) {
    return {"E_HOOK_UNAVAILABLE", "no validate hook is configured"};
  }
  const sdk::ModelFile& file = FileOf(model);
  HookCommand command = CommandFor(commands_.validate, file);
  command.argv.insert(command.argv.end(),
                      {"--model", std::to_string(file.fd), "--role",
                       file.purpose == sdk::Purpose::kValidateBase ? "base" : "new", "--budget-ms",
                       std::to_string(commands_.validate_timeout.count())});
  if (set.fd >= 0) {
    command.argv.insert(command.argv.end(), {"--data", std::to_string(set.fd)});
    command.inherited_fds.push_back(set.fd);
  }
  command.environment["SLUICE_LATENCY_US_MAX"] = std::to_string(latency_limit.count());
  const Result<std::string> line = Ask(Hook::kValidate, std::move(command));
  if (!line) return ToSdk(line.error());
  Result<sdk::ValidationResult> result = ParseValidation(*line);
  if (!result) return ToSdk(result.error());
  out = std::move(*result);
  return {};
}

sdk::Status HookRunner::Activate(std::unique_ptr<sdk::Model> model) {
  counters_.reset();
  if (model == nullptr) {  // the application is not told to stop; it is no longer vouched for
    serving_sha256_.clear();
    return {};
  }
  if (commands_.activate.empty()) {
    return {"E_HOOK_UNAVAILABLE", "no activate hook is configured"};
  }
  const sdk::ModelFile& file = FileOf(*model);
  HookCommand command = CommandFor(commands_.activate, file);
  command.argv.insert(command.argv.end(),
                      {"--model", std::to_string(file.fd), "--reason", ReasonFor(file.purpose)});
  command.environment["SLUICE_LATENCY_US_MAX"] = std::to_string(file.latency_limit.count());
  const Result<std::string> line = Ask(Hook::kActivate, std::move(command));
  if (!line) return ToSdk(line.error());
  const Result<json> answer = ParseAnswer(*line);
  if (!answer) return ToSdk(answer.error());
  const Result<std::string> loaded = Text(*answer, "loaded_sha256");
  if (!loaded) return ToSdk(loaded.error());
  if (*loaded != ToHex(file.sha256)) {
    return {"E_LOAD", "the application serves " + *loaded + ", not what it was given"};
  }
  serving_sha256_ = *loaded;
  activation_ = file.activation;
  return {};
}

sdk::Status HookRunner::Health() {
  if (commands_.health.empty() || serving_sha256_.empty()) return {};
  HookCommand command;
  command.argv = commands_.health;
  command.argv.insert(command.argv.end(), {"--activation", std::to_string(activation_)});
  command.environment["SLUICE_DEVICE"] = commands_.device_id;
  const Result<std::string> line = Ask(Hook::kHealth, std::move(command));
  if (!line) return ToSdk(line.error());
  const Result<HealthAnswer> health = ParseHealth(*line);
  if (!health) return ToSdk(health.error());
  if (health->loaded_sha256 != serving_sha256_) {
    return {"E_HEALTH",
            "the application serves " + health->loaded_sha256 + ", not what it was given"};
  }
  counters_ = health->counters;
  return {};
}

bool HookRunner::Counters(sdk::RunnerCounters& out) {
  if (commands_.health.empty()) return false;
  out = counters_.value_or(sdk::RunnerCounters{});
  return true;
}

}  // namespace sluice::device
