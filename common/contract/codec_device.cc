// Hello and Report: what a device says about itself.
#include <set>

#include "common/contract/codec.h"
#include "common/contract/field_reader.h"
#include "common/contract/wire_message.h"
#include "common/contract/wire_object.h"
#include "hello_generated.h"
#include "report_generated.h"

namespace sluice {
namespace {

const WireFormat kHelloFormat{"Hello", wire::HelloIdentifier(), limits::kHelloBytesMax};
const WireFormat kReportFormat{"Report", wire::ReportIdentifier(), limits::kReportBytesMax};

constexpr std::size_t kSlotsMin = 2;

std::unique_ptr<wire::SlotSummaryT> ToWire(const SlotSummary& slot) {
  auto to = std::make_unique<wire::SlotSummaryT>();
  to->state = static_cast<wire::SlotState>(slot.state);
  to->artifact = ToWireOptional(slot.artifact);
  to->manifest = ToWireOptional(slot.manifest);
  to->release = slot.release;
  to->rollout = slot.rollout;
  to->stage = slot.stage;
  return to;
}

SlotSummary ReadSlot(FieldReader& read, const wire::SlotSummary& from) {
  SlotSummary slot;
  slot.state = read.Enum("slots.state", from.state(), SlotState::kEmpty, SlotState::kBad);
  slot.artifact = read.OptionalDigest(from.artifact());
  slot.manifest = read.OptionalDigest(from.manifest());
  slot.release = read.OptionalRegistryId("slots.release", from.release());
  slot.rollout = read.OptionalRegistryId("slots.rollout", from.rollout());
  slot.stage = from.stage();
  return slot;
}

/// Who the device is and what it can do.
void ReadCapabilities(FieldReader& read, const wire::Hello& from, Hello& hello) {
  hello.model = read.RegistryId("model", from.model());
  hello.hardware = read.RegistryId("hardware", from.hardware());
  hello.agent_version = read.RegistryId("agent_version", from.agent_version());
  hello.runtime_abi = read.OptionalRegistryId("runtime_abi", from.runtime_abi());
  hello.memory_class =
      read.Enum("memory_class", from.memory_class(), MemoryClass::kS, MemoryClass::kL);
  hello.codec_mask = from.codec_mask();
  hello.chunk_size =
      read.Within("chunk_size", from.chunk_size(), limits::kChunkBytesMin, limits::kChunkBytesMax);
  hello.window_bytes_max = read.Within("window_bytes_max", from.window_bytes_max(),
                                       limits::kChunkBytesMin, limits::kWindowBytesMax);
  std::set<std::string> seen_keys;
  for (const wire::Attribute* attribute :
       read.List("attributes", from.attributes(), 0, limits::kAttributesMax)) {
    hello.attributes.emplace_back(read.RegistryId("attributes.key", attribute->key()),
                                  read.RegistryId("attributes.value", attribute->value()));
    read.Unique("attributes", seen_keys, hello.attributes.back().first);
  }
}

/// What it has installed and how far it is.
void ReadHoldings(FieldReader& read, const wire::Hello& from, Hello& hello) {
  hello.state = read.Enum("state", from.state(), UpdateState::kIdle, UpdateState::kFault);
  for (const wire::SlotSummary* slot :
       read.List("slots", from.slots(), kSlotsMin, limits::kSlotsMax)) {
    hello.slots.push_back(ReadSlot(read, *slot));
  }
  hello.active_slot = from.active_slot();
  read.Require(hello.active_slot >= -1 && hello.active_slot < std::ssize(hello.slots),
               "active_slot", "neither -1 nor the index of a slot");
  hello.activation = from.activation();
  hello.floor_epoch = from.floor_epoch();
  hello.root_version = from.root_version();
  hello.directive = read.OptionalNumber(from.directive());
  hello.order = read.OptionalNumber(from.order());
  hello.engine_epoch_seen = from.engine_epoch_seen();
  hello.report_seq = from.report_seq();
  hello.permit_wanted = read.OptionalDigest(from.permit_wanted());
  for (const wire::Digest* artifact :
       read.List("bad_artifacts", from.bad_artifacts(), 0, limits::kBadDigestsMax)) {
    hello.bad_artifacts.push_back(read.Digest("bad_artifacts", artifact));
  }
  hello.next_contact_s = from.next_contact_s();
}

std::unique_ptr<wire::ValidationNumbers> ToWire(const ValidationNumbers& numbers) {
  if (numbers == ValidationNumbers{}) return nullptr;
  return std::make_unique<wire::ValidationNumbers>(numbers.n, numbers.n_base, numbers.correct_base,
                                                   numbers.correct_new, numbers.only_base,
                                                   numbers.only_new, numbers.latency_us_p99);
}

ValidationNumbers ReadValidation(FieldReader& read, const wire::ValidationNumbers& from) {
  const ValidationNumbers numbers{.n = from.n(),
                                  .n_base = from.n_base(),
                                  .correct_base = from.correct_base(),
                                  .correct_new = from.correct_new(),
                                  .only_base = from.only_base(),
                                  .only_new = from.only_new(),
                                  .latency_us_p99 = from.latency_us_p99()};
  // Both models saw the same items, so what both got right is counted the same from either side.
  const bool pairs_agree =
      numbers.n_base == numbers.n && numbers.correct_base <= numbers.n &&
      numbers.only_base <= numbers.correct_base && numbers.only_new <= numbers.correct_new &&
      numbers.correct_base - numbers.only_base == numbers.correct_new - numbers.only_new;
  const bool alone = numbers.n_base == 0 && numbers.correct_base == 0 && numbers.only_base == 0 &&
                     numbers.only_new == 0;
  const bool consistent = numbers.correct_new <= numbers.n && (pairs_agree || alone);
  read.Require(consistent, "validation",
               "the counts of the paired validation contradict each other");
  return numbers;
}

}  // namespace

Bytes Encode(const Hello& value) {
  wire::HelloT to;
  to.nonce = ToWireToken(value.nonce);
  to.instance = ToWireToken(value.instance);
  to.boot = value.boot;
  to.record_gen = value.record_gen;
  to.model = value.model;
  to.hardware = value.hardware;
  to.agent_version = value.agent_version;
  to.runtime_abi = value.runtime_abi;
  to.memory_class = static_cast<wire::MemoryClass>(value.memory_class);
  to.codec_mask = value.codec_mask;
  to.chunk_size = value.chunk_size;
  to.window_bytes_max = value.window_bytes_max;
  to.state = static_cast<wire::UpdateState>(value.state);
  for (const SlotSummary& slot : value.slots) to.slots.push_back(ToWire(slot));
  to.active_slot = value.active_slot;
  to.activation = value.activation;
  to.floor_epoch = value.floor_epoch;
  to.root_version = value.root_version;
  to.directive = ToWireOptional(value.directive);
  to.order = ToWireOptional(value.order);
  to.engine_epoch_seen = value.engine_epoch_seen;
  to.report_seq = value.report_seq;
  to.permit_wanted = ToWireOptional(value.permit_wanted);
  for (const Digest& artifact : value.bad_artifacts) to.bad_artifacts.push_back(ToWire(artifact));
  to.next_contact_s = value.next_contact_s;
  for (const auto& [key, text] : value.attributes) {
    auto& attribute = to.attributes.emplace_back(std::make_unique<wire::AttributeT>());
    attribute->key = key;
    attribute->value = text;
  }
  return PackMessage(to, kHelloFormat);
}

template <>
Result<Hello> Decode<Hello>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message, WireMessage<wire::Hello>::Open(kHelloFormat, bytes));
  const wire::Hello& from = *message;
  FieldReader read(kHelloFormat.name);
  Hello hello;
  hello.nonce = read.Token("nonce", from.nonce());
  hello.instance = read.Token("instance", from.instance());
  hello.boot = from.boot();
  hello.record_gen = from.record_gen();
  ReadCapabilities(read, from, hello);
  ReadHoldings(read, from, hello);
  return read.Finish(std::move(hello));
}

Bytes Encode(const Report& value) {
  wire::ReportT to;
  to.instance = ToWireToken(value.instance);
  to.record_gen = value.record_gen;
  to.seq = value.seq;
  to.directive = ToWireOptional(value.directive);
  to.rollout = value.rollout;
  to.stage = value.stage;
  to.manifest = ToWireOptional(value.manifest);
  to.state = static_cast<wire::ReportState>(value.state);
  to.code = value.code;
  to.text = value.text;
  to.active_artifact = ToWireOptional(value.active_artifact);
  to.activation = value.activation;
  to.bytes_down = value.bytes_down;
  to.bytes_up = value.bytes_up;
  to.bytes_done = value.bytes_done;
  to.bytes_total = value.bytes_total;
  to.validation = ToWire(value.validation);
  return PackMessage(to, kReportFormat);
}

template <>
Result<Report> Decode<Report>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message, WireMessage<wire::Report>::Open(kReportFormat, bytes));
  const wire::Report& from = *message;
  FieldReader read(kReportFormat.name);
  Report report;
  report.instance = read.Token("instance", from.instance());
  report.record_gen = from.record_gen();
  report.seq = from.seq();
  read.Require(report.seq >= 1, "seq", "reports count from 1");
  report.directive = read.OptionalNumber(from.directive());
  report.rollout = read.OptionalRegistryId("rollout", from.rollout());
  report.stage = from.stage();
  report.manifest = read.OptionalDigest(from.manifest());
  report.state = read.Enum("state", from.state(), ReportState::kDownloading, ReportState::kHolding);
  report.code = read.OptionalCode("code", from.code());
  report.text = read.Line("text", from.text(), limits::kReportTextMax);
  report.active_artifact = read.OptionalDigest(from.active_artifact());
  report.activation = from.activation();
  report.bytes_down = from.bytes_down();
  report.bytes_up = from.bytes_up();
  report.bytes_done = from.bytes_done();
  report.bytes_total = from.bytes_total();
  read.Require(report.bytes_done <= report.bytes_total, "bytes_done", "more than bytes_total");
  if (from.validation() != nullptr) report.validation = ReadValidation(read, *from.validation());
  return read.Finish(std::move(report));
}

}  // namespace sluice
