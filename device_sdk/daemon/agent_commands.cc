#include "device_sdk/daemon/agent_commands.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "common/crypto/trust.h"
#include "device_sdk/agent/device_runtime.h"
#include "device_sdk/agent/verifier.h"
#include "device_sdk/daemon/control_socket.h"
#include "device_sdk/daemon/status_text.h"
#include "device_sdk/slots/file_slot_store.h"
#include "device_sdk/slots/posix_file_system.h"

namespace sluice::device {
namespace {

constexpr int kStartingPollMs = 50;
constexpr int kStartingTries = 40;  // two seconds

int ExitCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
    case ErrorCode::kConfigUnknownKey:
    case ErrorCode::kCfgRange:
    case ErrorCode::kCfgIncomplete:
      return kExitUsage;
    case ErrorCode::kNotFound:
      return kExitNotFound;
    case ErrorCode::kTimeout:
      return kExitTimeout;
    default:
      return kExitFailed;
  }
}

void Print(const std::string& text) { std::fputs(text.c_str(), stdout); }

Result<Bytes> ReadInput(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Fail(ErrorCode::kNotFound, "cannot open " + path);
  Bytes bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return bytes;
}

Result<PayloadType> TypeOf(const std::string& name) {
  using enum PayloadType;
  for (const PayloadType type :
       {kRoot, kManifest, kRevocations, kDirective, kOrder, kFreshness, kAnswer}) {
    if (PayloadTypeName(type) == name) return type;
  }
  return Fail(ErrorCode::kUsage, "unknown type " + name);
}

/// A Root is checked as the successor of the installed one, or as being that one.
Status CheckDocument(const Trust& trust, PayloadType type, ByteView bytes) {
  switch (type) {
    case PayloadType::kRoot:
      if (std::ranges::equal(bytes, trust.envelope())) return {};
      SLUICE_TRY(trust.WithNextRoot(bytes));
      return {};
    case PayloadType::kManifest:
      SLUICE_TRY(trust.Open<ReleaseManifest>(bytes));
      return {};
    case PayloadType::kRevocations:
      SLUICE_TRY(trust.Open<RevocationList>(bytes));
      return {};
    case PayloadType::kDirective:
      SLUICE_TRY(trust.Open<Directive>(bytes));
      return {};
    case PayloadType::kOrder:
      SLUICE_TRY(trust.Open<Order>(bytes));
      return {};
    case PayloadType::kFreshness:
      SLUICE_TRY(trust.Open<Freshness>(bytes));
      return {};
    case PayloadType::kAnswer:
      SLUICE_TRY(trust.Open<Answer>(bytes));
      return {};
  }
  return Fail(ErrorCode::kUsage, "unknown type");
}

Result<std::string> StatusFromDisk(const std::string& state_dir) {
  PosixFileSystem files;
  SLUICE_ASSIGN(const auto store, FileSlotStore::Open(files, state_dir));
  AgentStatus status;
  status.record = store->record();
  status.state = status.record.work.state;
  status.slot_count = store->slot_count();
  if (const Status recovery = store->recovery(); !recovery) status.last_error = recovery.error();
  return StatusAsJson(ToSdk(status), false);
}

/// The running agent's word, or what its store says while none runs.
Result<std::string> AskOrRead(const std::string& state_dir) {
  Result<std::string> told = AskAgent(state_dir, "status");
  if (!told && told.error().code == ErrorCode::kNotFound) return StatusFromDisk(state_dir);
  return told;
}

}  // namespace

int FailWith(const Error& error) {
  std::fprintf(stderr, "%s\n", error.Line().c_str());
  return ExitCodeOf(error.code);
}

int InitDevice(const AgentConfig& config, const InitArguments& arguments) {
  const sdk::Device::FirstModel first{arguments.model_path, arguments.manifest_path};
  const sdk::Status made = sdk::Device::Init(config.device, arguments.root_path, arguments.slots,
                                             arguments.model_path.empty() ? nullptr : &first);
  if (made.ok()) return kExitOk;
  return FailWith({CodeFromName(made.code).value_or(ErrorCode::kInternal), made.text});
}

int ShowStatus(const std::string& state_dir, bool as_json) {
  Result<std::string> status = AskOrRead(state_dir);
  // An agent that is just starting holds its store before it answers.
  for (int tries = kStartingTries;
       !status && status.error().code == ErrorCode::kLocked && tries > 0; --tries) {
    poll(nullptr, 0, kStartingPollMs);
    status = AskOrRead(state_dir);
  }
  if (!status) return FailWith(status.error());
  Print(as_json ? *status + "\n" : StatusForPeople(*status));
  return kExitOk;
}

int VerifyDocument(const std::string& state_dir, const std::string& type_name,
                   const std::string& path) {
  const Result<PayloadType> type = TypeOf(type_name);
  if (!type) return FailWith(type.error());
  const Result<Bytes> bytes = ReadInput(path);
  if (!bytes) return FailWith(bytes.error());
  // The Root is read without the store's lock: it is replaced as a whole, and the agent may be
  // running.
  const Result<Bytes> root = ReadInput(state_dir + "/documents/root");
  if (!root) return FailWith(root.error().With("run 'sluice-agent init'"));
  const Result<Trust> trust = Trust::FromInstalledRoot(*root);
  if (!trust) return FailWith(trust.error());
  const Status checked = CheckDocument(*trust, *type, *bytes);
  if (checked) {
    Print("OK\n");
    return kExitOk;
  }
  Print(std::string(CodeName(checked.error().code)) + "\n");
  std::fprintf(stderr, "%s\n", checked.error().Line().c_str());
  return kExitRejected;
}

int RevertDevice(const std::string& state_dir, const std::string& reason) {
  const Result<std::string> answer = AskAgent(state_dir, "revert " + reason);
  if (!answer) return FailWith(answer.error());
  if (*answer == "OK") return kExitOk;
  std::fprintf(stderr, "%s\n", answer->c_str());
  return kExitFailed;
}

int ScrubSlots(const std::string& state_dir) {
  PosixFileSystem files;
  const auto store = FileSlotStore::Open(files, state_dir);
  if (!store) return FailWith(store.error());
  const StateRecord& record = (*store)->record();
  bool all_well = true;
  for (SlotId i = 0; i < static_cast<SlotId>((*store)->slot_count()); ++i) {
    const SlotRecord& slot = record.slots[i];
    if (slot.state != SlotState::kReady && slot.state != SlotState::kGood) continue;
    const auto hashed = (*store)->OpenAndHash(i);
    const UniqueFd fd(hashed ? hashed->fd : -1);
    const auto envelope = (*store)->ReadManifest(i);
    const bool well = hashed && hashed->sha256 == slot.artifact &&
                      hashed->size_bytes == slot.size_bytes && envelope &&
                      ManifestOfSlot(*envelope, slot).has_value();
    all_well = all_well && well;
    Print(std::string("slot ") + static_cast<char>('a' + i) + " " + slot.release + " " +
          (well ? "ok" : std::string(CodeName(ErrorCode::kArtifactHash))) + "\n");
  }
  return all_well ? kExitOk : kExitFailed;
}

}  // namespace sluice::device
