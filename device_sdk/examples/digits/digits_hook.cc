// digits-hook: the three hooks that sluice-agent calls, for digits-app.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "device_sdk/examples/digits/app_requests.h"
#include "device_sdk/examples/digits/descriptor.h"

namespace sluice::digits {
namespace {

// Exit codes of a hook (docs/device.md).
constexpr int kAnswered = 0;
constexpr int kModelBad = 10;
constexpr int kCannotTellNow = 20;

struct HookOptions {
  int model_fd = -1;
  int data_fd = -1;
  std::string socket_path;
};

/// What the agent says in its environment; 0 = no limit.
std::chrono::microseconds LatencyLimit() {
  const char* const text = std::getenv("SLUICE_LATENCY_US_MAX");
  return std::chrono::microseconds(text == nullptr ? 0 : std::strtoul(text, nullptr, 10));
}

int Report(int exit_code, const std::string& line) {
  fmt::print(exit_code == kAnswered ? stdout : stderr, "{}\n", line);
  return exit_code;
}

int Validate(const HookOptions& options) {
  const Result<Bytes> model_bytes = ReadDescriptor(options.model_fd);
  if (!model_bytes.has_value()) return Report(kCannotTellNow, model_bytes.error().Line());
  const Result<Mlp> mlp = LoadModel(*model_bytes);
  if (!mlp.has_value()) return Report(kModelBad, mlp.error().Line());
  if (options.data_fd < 0) return Report(kAnswered, ValidateAnswer({}));  // it loads: all there is
  const Result<Bytes> set_bytes = ReadDescriptor(options.data_fd);
  if (!set_bytes.has_value()) return Report(kCannotTellNow, set_bytes.error().Line());
  const Result<Images> images = DecodeValidationSet(*set_bytes);
  if (!images.has_value()) return Report(kModelBad, images.error().Line());
  return Report(kAnswered, ValidateAnswer(RunValidation(*mlp, *images, LatencyLimit())));
}

Result<std::string> AskApp(const std::string& socket_path, const std::string& request, int fd) {
  SLUICE_ASSIGN(const UniqueFd socket, ConnectTo(socket_path));
  SLUICE_TRY(SendPacket(socket.get(), request, fd));
  SLUICE_ASSIGN(Packet answer, ReceivePacket(socket.get()));
  return std::move(answer.text);
}

int PassOn(const HookOptions& options, const std::string& request, int fd) {
  const Result<std::string> answer = AskApp(options.socket_path, request, fd);
  if (!answer.has_value()) return Report(kCannotTellNow, answer.error().Line());
  switch (KindOf(*answer)) {
    case AnswerKind::kGood:
      return Report(kAnswered, *answer);
    case AnswerKind::kModelBad:
      return Report(kModelBad, *answer);
    case AnswerKind::kCannotTell:
      break;
  }
  return Report(kCannotTellNow, *answer);
}

}  // namespace
}  // namespace sluice::digits

int main(int argc, char** argv) {
  using namespace sluice::digits;
  CLI::App app("What sluice-agent calls to validate, activate and watch a model.", "digits-hook");
  app.require_subcommand(1);
  HookOptions options;
  std::string role;
  std::string reason;
  unsigned budget_ms = 0;
  unsigned activation = 0;
  CLI::App* const validate = app.add_subcommand("validate", "runs the validation set on a model");
  validate->add_option("--model", options.model_fd, "the model's descriptor")->required();
  validate->add_option("--data", options.data_fd, "the set's descriptor; none = load only");
  // Both models of a pair are treated alike, and a run takes some milliseconds.
  validate->add_option("--role", role, "base or new");
  validate->add_option("--budget-ms", budget_ms, "the time that the agent allows");
  CLI::App* const activate = app.add_subcommand("activate", "hands a model to the application");
  activate->add_option("--model", options.model_fd, "the model's descriptor")->required();
  activate->add_option("--reason", reason, "install, revert or start: all the same here");
  activate->add_option("--socket", options.socket_path, "the application's socket")->required();
  CLI::App* const health = app.add_subcommand("health", "asks the application for its figures");
  // The application starts its count at each activate, so the number is not needed to tell them
  // apart.
  health->add_option("--activation", activation, "which activation the figures are for");
  health->add_option("--socket", options.socket_path, "the application's socket")->required();
  CLI11_PARSE(app, argc, argv);
  if (validate->parsed()) return Validate(options);
  if (health->parsed()) return PassOn(options, HealthRequest(), -1);
  return PassOn(options, ActivateRequest(LatencyLimit()), options.model_fd);
}
