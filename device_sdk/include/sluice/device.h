// The Sluice device SDK: keeps one model of an application up to date, signed, in two slots, and
// reverts it by itself.
//
// Standard library only. One Device = one model = one state directory = one MQTT session = one
// thread (Run).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::sdk {

/// `code` is a stable "E_..." name, "" when ok; `text` is one line for people.
struct Status {
  std::string code;
  std::string text;
  [[nodiscard]] bool ok() const noexcept { return code.empty(); }
};

/// What a model is loaded for.
enum class Purpose : std::uint8_t {
  kInstall,       // to serve, as a release on trial
  kRevert,        // to serve, as the release gone back to
  kStart,         // to serve, after a start of the agent
  kValidateBase,  // to run the validation set as what serves now
  kValidateNew,   // to run the validation set as what may serve next
};

/// A verified artifact. Read the descriptor, not a path: these are the bytes that were hashed. The
/// SDK closes it after the call.
struct ModelFile {
  int fd = -1;
  std::uint64_t size_bytes = 0;
  std::array<std::uint8_t, 32> sha256{};
  std::string release, format, runtime_abi;
  Purpose purpose = Purpose::kStart;
  char slot = 'a';
  std::uint32_t activation = 0;                // rises with every switch
  std::chrono::microseconds latency_limit{0};  // slower counts as over_latency; 0 = none
};

/// The validation data set, as opaque bytes behind a descriptor; fd = -1 when the release has none.
struct ValidationSet {
  int fd = -1;
  std::uint64_t size_bytes = 0;
};

/// What a model did on the set. scores: one byte per item in the set's order, 255 = right, 0 =
/// wrong.
struct ValidationResult {
  std::uint32_t n = 0;
  std::uint32_t errors = 0;      // inferences that failed
  std::uint32_t non_finite = 0;  // outputs with NaN or infinity
  std::uint32_t slow = 0;        // slower than latency_limit
  std::uint32_t latency_us_p99 = 0;
  std::vector<std::uint8_t> scores;
};

/// Cumulative since Activate, for a runner whose inferences happen in another process. Such a
/// runner's counters are taken in place of RecordInference and RecordOutcome.
struct RunnerCounters {
  std::uint32_t inferences = 0, errors = 0, over_latency = 0;
  std::uint32_t labelled = 0;
  double score_sum = 0;  // of the labelled ones, each 0..1
  std::uint32_t rss_kb = 0;
};

class Model {
 public:
  virtual ~Model() = default;
};

/// The application's half. Called on the Device's thread, never concurrently.
class ModelRunner {
 public:
  virtual ~ModelRunner() = default;
  /// Loads beside the serving model. A failure means that the bytes do not run here.
  virtual Status Load(const ModelFile& file, std::unique_ptr<Model>& out) = 0;
  /// Runs the set on a loaded model; called for the base and for the new one. Without a set
  /// (set.fd = -1) ok means that the model can run at all, and `out` is not read. latency_limit 0 =
  /// none.
  virtual Status Validate(Model& model, const ValidationSet& set,
                          std::chrono::microseconds latency_limit, ValidationResult& out) = 0;
  /// Swaps the serving model; after it returns ok these bytes serve. nullptr = serve nothing.
  virtual Status Activate(std::unique_ptr<Model> model) = 0;
  /// Polled each second in trial and before each telemetry message: not ok = one unhealthy sample.
  virtual Status Health() { return {}; }
  /// The counters as of the last Health(); false = this runner has none of its own.
  virtual bool Counters(RunnerCounters& out) {
    static_cast<void>(out);
    return false;
  }
};

struct DeviceOptions {
  std::string state_dir;   // made by Device::Init
  std::string broker_url;  // "tcp://host:port"
  std::string username, password;
  /// PEM files for "ssl://host:port"; "" = the system's trust store, no client certificate.
  std::string tls_ca_path, tls_certificate_path, tls_key_path;
  std::string fleet_id, device_id, model, hardware, runtime_abi;
  std::map<std::string, std::string> attributes;  // for selectors: site=a
  std::uint32_t chunk_bytes = 16'320;
  std::uint32_t window_bytes_max = 512 * 1024;
  std::chrono::seconds keepalive{900};
  std::uint64_t seed = 0;  // of backoff jitter; 0 = from the kernel
  /// Runs the validation set in a fork of this process, so that a model that crashes, hangs or
  /// leaks harms nothing. false for a runtime that does not survive fork(): then it runs on the
  /// Device's thread.
  bool validate_in_child = true;
  /// One line per event worth reading; called on the Device's thread. May be empty.
  std::function<void(std::string_view line)> log;
};

struct SlotStatus {
  std::string state, release, sha256;
};

struct DeviceStatus {
  std::string state, phase;
  std::uint64_t gen = 0;
  std::vector<SlotStatus> slots;
  int active = -1;
  std::string loaded_sha256, loaded_release;
  std::uint32_t floor_epoch = 0, boot = 0, activation = 0;
  std::uint64_t directive_epoch = 0, directive_seq = 0, engine_epoch = 0;
  int starts_left = 0;
  std::uint64_t bytes_down = 0, bytes_up = 0;  // since Run
  bool connected = false;
  bool clock_untrusted = false;  // no answer yet and a wall clock that is plainly wrong
  std::string last_error;        // "E_...: text"
};

class Device {
 public:
  /// Makes a state directory for a new device: records, slots, instance, the installed Root.
  /// Optionally with a first model and its manifest's envelope. Never overwrites (E_CONFLICT).
  struct FirstModel {
    std::string model_path, manifest_path;
  };
  static Status Init(const DeviceOptions& options, const std::string& root_path, int slots,
                     const FirstModel* first);

  /// Recovers from disk and serves the active model; needs no network.
  static Status Open(const DeviceOptions& options, ModelRunner& runner,
                     std::unique_ptr<Device>& out);
  virtual ~Device() = default;

  /// Any thread, lock-free.
  virtual void RecordInference(std::chrono::microseconds latency, bool ok) noexcept = 0;
  /// Truth or proxy of one inference, 0..1. Any thread, lock-free.
  virtual void RecordOutcome(double score) noexcept = 0;

  /// Works until `stop`: connects, updates, reports. Call once, from one thread.
  virtual Status Run(std::stop_token stop) = 0;
  /// Any thread.
  [[nodiscard]] virtual DeviceStatus Inspect() const = 0;
  /// Reverts to the fallback, as an operator at the device would. Any thread.
  virtual Status Revert(std::string_view reason) = 0;
};

}  // namespace sluice::sdk
