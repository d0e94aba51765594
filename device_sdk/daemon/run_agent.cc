// `sluice-agent run`: the agent with hooks, a log on stderr, a control socket, and an orderly end.
#include <poll.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "device_sdk/daemon/agent_commands.h"
#include "device_sdk/daemon/control_socket.h"
#include "device_sdk/daemon/hook_process.h"
#include "device_sdk/daemon/status_text.h"

namespace sluice::device {
namespace {

constexpr int kPollMs = 1'000;
constexpr std::string_view kRevert = "revert ";

// A signal handler has no other way to reach the loop than through what has static life.
std::atomic<int> signal_event{-1};

void OnSignal(int) {
  const std::uint64_t one = 1;
  const ssize_t wrote = write(signal_event.load(), &one, sizeof one);
  static_cast<void>(wrote);
}

Status HandleSignals(int event_fd) {
  signal_event.store(event_fd);
  struct sigaction action {};
  action.sa_handler = OnSignal;
  for (const int number : {SIGTERM, SIGINT}) {
    if (sigaction(number, &action, nullptr) != 0) return Fail(ErrorCode::kInternal, "sigaction");
  }
  signal(SIGPIPE, SIG_IGN);
  return {};
}

std::string AnswerFor(sdk::Device& device, const std::string& request) {
  if (request == "status") return StatusAsJson(device.Inspect(), true);
  if (!request.starts_with(kRevert)) return "E_USAGE: unknown request";
  const sdk::Status reverted = device.Revert(request.substr(kRevert.size()));
  return reverted.ok() ? "OK" : reverted.code + ": " + reverted.text;
}

std::shared_ptr<spdlog::logger> MakeLog(const std::string& device_id) {
  auto log = std::make_shared<spdlog::logger>(device_id,
                                              std::make_shared<spdlog::sinks::stderr_sink_mt>());
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %n %v");
  log->flush_on(spdlog::level::info);
  return log;
}

}  // namespace

int RunAgent(const AgentConfig& config) {
  const UniqueFd ended(eventfd(0, EFD_CLOEXEC));
  if (const Status handled = HandleSignals(ended.get()); !handled) return FailWith(handled.error());
  const std::shared_ptr<spdlog::logger> log = MakeLog(config.device.device_id);
  sdk::DeviceOptions options = config.device;
  options.log = [&log](std::string_view line) { log->info("{}", line); };

  HookRunner runner(config.hooks, RunHook,
                    [](std::chrono::milliseconds delay) { std::this_thread::sleep_for(delay); });
  std::unique_ptr<sdk::Device> device;
  const sdk::Status opened = sdk::Device::Open(options, runner, device);
  if (!opened.ok())
    return FailWith({CodeFromName(opened.code).value_or(ErrorCode::kInternal), opened.text});
  auto control = ControlSocket::Serve(options.state_dir, [&device](const std::string& request) {
    return AnswerFor(*device, request);
  });
  if (!control) return FailWith(control.error());

  sdk::Status ran;
  std::atomic<bool> over = false;
  std::jthread thread([&](const std::stop_token& stop) {
    ran = device->Run(stop);
    over = true;
    OnSignal(0);
  });
  pollfd polled{ended.get(), POLLIN, 0};
  while (!over && poll(&polled, 1, kPollMs) <= 0) {
  }
  thread.request_stop();
  thread.join();
  log->info("stopped");
  if (ran.ok()) return kExitOk;
  return FailWith({CodeFromName(ran.code).value_or(ErrorCode::kInternal), ran.text});
}

}  // namespace sluice::device
