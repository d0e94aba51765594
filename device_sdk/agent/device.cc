// The public Device: an agent on the machine's own clock, disk and broker connection.
#include "device_sdk/include/sluice/device.h"

#include <algorithm>
#include <fstream>

#include "common/contract/topics.h"
#include "common/crypto/digest.h"
#include "common/mqtt/paho_transport.h"
#include "device_sdk/agent/device_runtime.h"
#include "device_sdk/agent/forking_model_host.h"
#include "device_sdk/agent/process_memory.h"
#include "device_sdk/slots/file_slot_store.h"
#include "device_sdk/slots/file_source.h"
#include "device_sdk/slots/posix_file_system.h"

namespace sluice::device {
namespace {

AgentOptions OptionsOf(const sdk::DeviceOptions& options) {
  return {.fleet_id = options.fleet_id,
          .device_id = options.device_id,
          .model = options.model,
          .hardware = options.hardware,
          .runtime_abi = options.runtime_abi,
          .attributes = options.attributes,
          .chunk_bytes =
              std::clamp(options.chunk_bytes, limits::kChunkBytesMin, limits::kChunkBytesMax),
          .window_bytes_max = std::min(options.window_bytes_max, limits::kWindowBytesMax),
          .log = options.log,
          .rss_kb = ProcessRssKb};
}

PahoOptions PahoOptionsOf(const sdk::DeviceOptions& options) {
  PahoOptions paho;
  paho.broker_url = options.broker_url;
  paho.client_id = options.device_id;
  paho.username = options.username;
  paho.password = options.password;
  paho.tls = {options.tls_ca_path, options.tls_certificate_path, options.tls_key_path};
  paho.keepalive = options.keepalive;
  return paho;
}

std::unique_ptr<Random> RandomOf(const sdk::DeviceOptions& options) {
  if (options.seed == 0) return std::make_unique<SystemRandom>();
  return std::make_unique<SeededRandom>(options.seed);
}

Result<Bytes> ReadFile(const std::string& path, std::size_t size_max) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Fail(ErrorCode::kNotFound, "cannot open " + path);
  Bytes bytes(size_max + 1);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (bytes.size() > size_max)
    return Fail(ErrorCode::kTooBig, path + " is longer than " + std::to_string(size_max));
  return bytes;
}

Result<Trust> ReadRoot(const std::string& path, const std::string& fleet_id) {
  SLUICE_ASSIGN(const Bytes envelope, ReadFile(path, limits::kRootBytesMax));
  SLUICE_ASSIGN(Trust trust, Trust::FromInstalledRoot(envelope));
  if (trust.root().fleet_id == fleet_id) return trust;
  return Fail(ErrorCode::kWrongFleet,
              path + " is of fleet " + trust.root().fleet_id + ", not " + fleet_id);
}

/// The model that a device is made with has to pass what a delivered one has to pass.
Status InstallFirst(FileSystem& files, FileSlotStore& store, const Trust& trust,
                    const sdk::DeviceOptions& options, const sdk::Device::FirstModel& first) {
  SLUICE_ASSIGN(const Bytes envelope, ReadFile(first.manifest_path, limits::kManifestBytesMax));
  SLUICE_ASSIGN(const ReleaseManifest manifest, trust.Open<ReleaseManifest>(envelope));
  const AgentOptions self = OptionsOf(options);
  SLUICE_TRY(CheckFit(manifest, self));
  SLUICE_ASSIGN(const auto artifact, FileSource::Open(files, first.model_path));
  return store.InstallFirst(*artifact, envelope,
                            {.state = SlotState::kEmpty,
                             .manifest = Sha256(envelope),
                             .artifact = manifest.artifact_sha256,
                             .size_bytes = manifest.artifact_size,
                             .security_epoch = manifest.security_epoch,
                             .release = manifest.release,
                             .rollout = {},
                             .stage = 0,
                             .reason = {}});
}

Status Init(const sdk::DeviceOptions& options, const std::string& root_path, int slots,
            const sdk::Device::FirstModel* first) {
  if (slots != 2 && slots != 3) return Fail(ErrorCode::kUsage, "a device has 2 or 3 slots");
  SLUICE_TRY(CheckIdentity("device", options.device_id));
  SLUICE_TRY(CheckRegistryId("model", options.model));
  SLUICE_TRY(CheckRegistryId("hardware", options.hardware));
  SLUICE_ASSIGN(const Trust trust, ReadRoot(root_path, options.fleet_id));
  PosixFileSystem files;
  SystemRandom random;
  SLUICE_TRY(FileSlotStore::Create(files, options.state_dir, slots, random));
  SLUICE_ASSIGN(const auto store, FileSlotStore::Open(files, options.state_dir));
  SLUICE_TRY(store->WriteDocument("root", trust.envelope()));
  StateRecord record = store->record();
  record.root_version = trust.root().version;
  record.secure_time_floor_ms = trust.root().created_ms;
  SLUICE_TRY(store->WriteRecord(record));
  if (first == nullptr) return {};
  return InstallFirst(files, *store, trust, options, *first);
}

Result<std::unique_ptr<DeviceRuntime>> Open(const sdk::DeviceOptions& options,
                                            sdk::ModelRunner& runner) {
  DeviceRuntime::Foundation on;
  on.files = std::make_unique<PosixFileSystem>();
  on.clock = std::make_unique<SystemClock>();
  on.random = RandomOf(options);
  SLUICE_ASSIGN(auto store, FileSlotStore::Open(*on.files, options.state_dir));
  if (const Status recovery = store->recovery(); !recovery && options.log)
    options.log(recovery.error().Line());
  on.store = std::move(store);
  on.transport = std::make_unique<PahoTransport>(PahoOptionsOf(options), RandomOf(options));
  if (options.validate_in_child) {
    on.host = std::make_unique<ForkingModelHost>(runner, *on.clock);
  } else {
    on.host = std::make_unique<InProcessModelHost>(runner);
  }
  return DeviceRuntime::Open(OptionsOf(options), std::move(on));
}

}  // namespace
}  // namespace sluice::device

namespace sluice::sdk {

Status Device::Init(const DeviceOptions& options, const std::string& root_path, int slots,
                    const FirstModel* first) {
  return device::ToSdk(device::Init(options, root_path, slots, first));
}

Status Device::Open(const DeviceOptions& options, ModelRunner& runner,
                    std::unique_ptr<Device>& out) {
  auto device = device::Open(options, runner);
  if (!device) return device::ToSdk(Fail(device.error()));
  out = *std::move(device);
  return {};
}

}  // namespace sluice::sdk
