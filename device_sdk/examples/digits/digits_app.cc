// digits-app: an application as a customer would have it. It reads digits with the model that it
// was given last, keeps count of how that goes, and takes models and questions from digits-hook. It
// knows nothing of Sluice.
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>

#include "device_sdk/examples/digits/app_requests.h"
#include "device_sdk/examples/digits/field_camera.h"

namespace sluice::digits {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kCatchUpMax = 10;  // images missed while the process was held up

struct AppOptions {
  std::string socket_path;
  std::string images_path;
  std::string device = "app";
  int images_per_second = 20;
};

/// Readable when SIGINT or SIGTERM came.
Result<UniqueFd> OpenSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC));
  if (fd.get() < 0) return Fail(ErrorCode::kIo, "signalfd: " + std::string(std::strerror(errno)));
  return fd;
}

/// Readable whenever an image is due.
Result<UniqueFd> OpenTimer(int images_per_second) {
  UniqueFd fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const std::int64_t period_ns = kNsPerSecond / images_per_second;
  const timespec period{.tv_sec = period_ns / kNsPerSecond, .tv_nsec = period_ns % kNsPerSecond};
  const itimerspec timer{.it_interval = period, .it_value = period};
  if (fd.get() < 0 || timerfd_settime(fd.get(), 0, &timer, nullptr) != 0) {
    return Fail(ErrorCode::kIo, "timerfd: " + std::string(std::strerror(errno)));
  }
  return fd;
}

void ReadDueImages(int timer, FieldCamera& camera, ServingModel& model) {
  std::uint64_t due = 0;
  if (read(timer, &due, sizeof due) != sizeof due) return;
  for (std::uint64_t i = 0; i < std::min(due, kCatchUpMax); ++i) model.Infer(camera.Next());
}

void ServeOneClient(int listener, ServingModel& model) {
  const Result<UniqueFd> client = AcceptFrom(listener);
  if (!client.has_value()) return;
  const Result<Packet> request = ReceivePacket(client->get());
  if (!request.has_value()) return;
  // A hook that is gone gets no answer; its agent asks again.
  static_cast<void>(SendPacket(client->get(), AnswerRequest(model, *request), -1));
}

Status Run(const AppOptions& options) {
  SLUICE_ASSIGN(const DigitImages images, LoadDigits(options.images_path));
  FieldCamera camera(images.field, options.device);
  ServingModel model;
  SLUICE_ASSIGN(const UniqueFd signals, OpenSignals());
  SLUICE_ASSIGN(const UniqueFd timer, OpenTimer(options.images_per_second));
  SLUICE_ASSIGN(const UniqueFd listener, ListenAt(options.socket_path));
  while (true) {
    pollfd waiting[] = {
        {signals.get(), POLLIN, 0}, {timer.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}};
    if (poll(waiting, std::size(waiting), -1) < 0 && errno != EINTR) {
      return Fail(ErrorCode::kIo, "poll: " + std::string(std::strerror(errno)));
    }
    if (waiting[0].revents != 0) break;
    if (waiting[1].revents != 0) ReadDueImages(timer.get(), camera, model);
    if (waiting[2].revents != 0) ServeOneClient(listener.get(), model);
  }
  unlink(options.socket_path.c_str());
  return {};
}

}  // namespace
}  // namespace sluice::digits

int main(int argc, char** argv) {
  CLI::App app("Reads hand-written digits and measures itself.", "digits-app");
  sluice::digits::AppOptions options;
  app.add_option("--socket", options.socket_path, "where digits-hook finds it")->required();
  app.add_option("--images", options.images_path, "optdigits.csv.gz")->required();
  app.add_option("--device", options.device, "names the camera: each has its own faults");
  app.add_option("--rate", options.images_per_second, "images a second")
      ->check(CLI::Range(1, 1'000));
  CLI11_PARSE(app, argc, argv);
  const sluice::Status done = sluice::digits::Run(options);
  if (done.has_value()) return 0;
  fmt::print(stderr, "digits-app: {}\n", done.error().Line());
  return 1;
}
