// digits-fleet: many devices in one process. Each has its own slots, MQTT session and camera, runs
// the SDK as an application would, reads digits with its own model and reports what it measured.
#include <fmt/core.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <thread>

#include "device_sdk/examples/digits/digits_runner.h"
#include "device_sdk/examples/digits/field_camera.h"
#include "device_sdk/examples/digits/release_files.h"

namespace sluice::digits {
namespace {

struct FleetOptions {
  int count = 1;
  std::string state_root;
  std::string broker_url;
  std::string fleet_id;
  std::string root_path;
  std::vector<std::string> hardware = {"edge-a"};
  std::string images_path;
  int images_per_second = 20;  // per device
  int slots = 2;
};

/// One device: identity, model, camera and the thread that its SDK runs on.
class FleetDevice {
 public:
  static Result<std::unique_ptr<FleetDevice>> Open(const FleetOptions& options, int number,
                                                   const Images& scenes) {
    auto device = std::unique_ptr<FleetDevice>(new FleetDevice(scenes, NameOf(number)));
    const sdk::DeviceOptions sdk_options = device->SdkOptions(options, number);
    if (!std::filesystem::exists(sdk_options.state_dir)) {
      SLUICE_TRY(device->AsStatus(
          sdk::Device::Init(sdk_options, options.root_path, options.slots, nullptr)));
    }
    SLUICE_TRY(device->AsStatus(sdk::Device::Open(sdk_options, device->runner_, device->device_)));
    return device;
  }

  void Start() {
    thread_ = std::jthread([this](const std::stop_token& stop) {
      const sdk::Status ended = device_->Run(stop);
      if (!ended.ok()) Log("ended: " + ended.code + ": " + ended.text);
    });
  }
  void RequestStop() { thread_.request_stop(); }

  /// Reads the next image, if a model serves, and tells the SDK how that went.
  void ReadImage() {
    const std::optional<DigitsRunner::Inference> inference = runner_.Infer(camera_.Next());
    if (!inference) return;
    device_->RecordInference(inference->latency, inference->ok);
    if (inference->ok) device_->RecordOutcome(inference->right ? 1.0 : 0.0);
  }

 private:
  FleetDevice(const Images& scenes, std::string name)
      : name_(std::move(name)), camera_(scenes, name_) {}

  static std::string NameOf(int number) { return fmt::format("cam-{:03}", number); }

  sdk::DeviceOptions SdkOptions(const FleetOptions& options, int number) const {
    sdk::DeviceOptions sdk_options;
    sdk_options.state_dir = (std::filesystem::path(options.state_root) / name_).string();
    sdk_options.broker_url = options.broker_url;
    sdk_options.fleet_id = options.fleet_id;
    sdk_options.device_id = name_;
    sdk_options.username = name_;  // what a broker's guard knows a device by
    sdk_options.model = kModelName;
    sdk_options.hardware =
        options.hardware[static_cast<std::size_t>(number - 1) % options.hardware.size()];
    sdk_options.runtime_abi = kRuntimeAbi;
    sdk_options.log = [this](std::string_view line) { Log(line); };
    return sdk_options;
  }

  void Log(std::string_view line) const { fmt::print(stderr, "{} {}\n", name_, line); }

  Status AsStatus(const sdk::Status& status) const {
    if (status.ok()) return {};
    return Fail(CodeFromName(status.code).value_or(ErrorCode::kInternal),
                name_ + ": " + status.text);
  }

  const std::string name_;
  FieldCamera camera_;
  DigitsRunner runner_;
  std::unique_ptr<sdk::Device> device_;
  std::jthread thread_;  // last: it ends before what it uses
};

/// Lets every device read one image in each period until SIGINT or SIGTERM comes; one thread is
/// enough for all of them.
void ReadImages(std::vector<std::unique_ptr<FleetDevice>>& fleet, int images_per_second,
                const sigset_t& signals) {
  using Clock = std::chrono::steady_clock;
  const auto period = std::chrono::nanoseconds(std::chrono::seconds(1)) / images_per_second;
  auto next = Clock::now() + period;
  while (true) {
    const auto wait = std::max(std::chrono::nanoseconds(next - Clock::now()), {});
    const timespec timeout{.tv_sec = wait.count() / 1'000'000'000,
                           .tv_nsec = wait.count() % 1'000'000'000};
    if (sigtimedwait(&signals, nullptr, &timeout) > 0) return;
    if (Clock::now() < next) continue;
    for (const auto& device : fleet) device->ReadImage();
    // After a long pause the missed images are left out, not made up for.
    next = std::max(next + period, Clock::now());
  }
}

Status Run(const FleetOptions& options) {
  SLUICE_ASSIGN(const DigitImages images, LoadDigits(options.images_path));
  std::error_code error;
  std::filesystem::create_directories(options.state_root, error);
  if (error) return Fail(ErrorCode::kIo, options.state_root + ": " + error.message());
  // Blocked before the first thread starts, so that the signals reach ReadImages only.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  std::vector<std::unique_ptr<FleetDevice>> fleet;
  for (int number = 1; number <= options.count; ++number) {
    SLUICE_ASSIGN(auto device, FleetDevice::Open(options, number, images.field));
    fleet.push_back(std::move(device));
  }
  for (const auto& device : fleet) device->Start();
  fmt::print(stderr, "{} devices run\n", options.count);
  ReadImages(fleet, options.images_per_second, signals);
  for (const auto& device : fleet) device->RequestStop();
  return {};
}

}  // namespace
}  // namespace sluice::digits

int main(int argc, char** argv) {
  CLI::App app("Runs many devices that read hand-written digits.", "digits-fleet");
  sluice::digits::FleetOptions options;
  app.add_option("--count", options.count, "devices, cam-001 and on")
      ->required()
      ->check(CLI::Range(1, 999));
  app.add_option("--state-root", options.state_root, "a folder with one folder a device")
      ->required();
  app.add_option("--broker", options.broker_url, "tcp://host:port")->required();
  app.add_option("--fleet", options.fleet_id, "the fleet's id")->required();
  app.add_option("--root", options.root_path, "the Root that new devices trust")->required();
  app.add_option("--hardware", options.hardware, "kinds of device, given out in turn")
      ->delimiter(',');
  app.add_option("--images", options.images_path, "optdigits.csv.gz")->required();
  app.add_option("--rate", options.images_per_second, "images a second and device")
      ->check(CLI::Range(1, 1'000));
  app.add_option("--slots", options.slots, "slots of a new device")->check(CLI::Range(2, 3));
  CLI11_PARSE(app, argc, argv);
  const sluice::Status done = sluice::digits::Run(options);
  if (done.has_value()) return 0;
  fmt::print(stderr, "digits-fleet: {}\n", done.error().Line());
  return 1;
}
