#include "tests/support/contract_vectors.h"

#include <array>
#include <cstring>
#include <limits>

#include "common/base/check.h"
#include "common/crypto/trust.h"

namespace sluice::test_support {
namespace {

constexpr std::array<std::string_view, kVectorReaderCount> kReaderNames = {
    "Hello",         "Report",    "Telemetry",       "FetchRequest",   "Chunk",
    "InstalledRoot", "NextRoot",  "ReleaseManifest", "RevocationList", "Directive",
    "Order",         "Freshness", "Answer"};

constexpr std::size_t kFirstSignatureAt = 12;
constexpr std::size_t kSignatureSize = 100;

template <class T>
T With(T value, void (*change)(T&)) {
  change(value);
  return value;
}

Bytes Flipped(Bytes bytes, std::size_t at) {
  bytes.at(at) ^= 1;
  return bytes;
}

Bytes Without(Bytes bytes, std::size_t count) {
  bytes.resize(bytes.size() - count);
  return bytes;
}

Bytes WithTail(Bytes bytes) {
  bytes.push_back(0);
  return bytes;
}

std::uint32_t WordAt(const Bytes& bytes, std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof(word));
  return word;
}

/// The same ranges, moved to where their 64-bit fields stand on 4 bytes instead of 8: all that the
/// FlatBuffers Verifier asks of a vector.
Bytes WithRangesOnFourBytes(const FetchRequest& request) {
  constexpr std::size_t kWantedSlot = 4 + 2 * 4;  // of the vtable: the fifth field
  Bytes bytes = Encode(request);
  const std::size_t table = WordAt(bytes, 0);
  const std::size_t slot = table - WordAt(bytes, table) + kWantedSlot;
  const std::size_t field = table + (WordAt(bytes, slot) & 0xffff);
  const std::size_t from = field + WordAt(bytes, field);
  const std::size_t to = (bytes.size() + 7) / 8 * 8;
  const std::size_t size = 4 + request.wanted.size() * sizeof(ByteRange);
  bytes.resize(to + size);
  std::memcpy(bytes.data() + to, bytes.data() + from, size);
  const auto distance = static_cast<std::uint32_t>(to - field);
  std::memcpy(bytes.data() + field, &distance, sizeof(distance));
  return bytes;
}

/// The same Ed25519 signature with S + L: equal modulo the group order, so a lax verifier takes it.
Bytes WithMalleatedEd25519(Bytes envelope) {
  constexpr std::array<std::uint8_t, 32> kOrder = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                                   0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                                   0,    0,    0,    0,    0,    0,    0,    0,
                                                   0,    0,    0,    0,    0,    0,    0,    0x10};
  const std::size_t s_at = kFirstSignatureAt + 4 + 32 + 32;
  int carry = 0;
  for (std::size_t i = 0; i < kOrder.size(); ++i) {
    const int sum = envelope.at(s_at + i) + kOrder[i] + carry;
    envelope.at(s_at + i) = static_cast<std::uint8_t>(sum);
    carry = sum >> 8;
  }
  SLUICE_CHECK(carry == 0);
  return envelope;
}

/// The same P-256 signature with n - s, valid for any verifier that does not ask for the low one.
Bytes WithHighS(Bytes envelope, std::size_t signature_index) {
  constexpr std::array<std::uint8_t, 32> kOrder = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
                                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                   0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                                   0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
  const std::size_t s_at = kFirstSignatureAt + signature_index * kSignatureSize + 4 + 32 + 32;
  int borrow = 0;
  for (std::size_t i = kOrder.size(); i-- > 0;) {
    const int difference = kOrder[i] - envelope.at(s_at + i) - borrow;
    borrow = difference < 0 ? 1 : 0;
    envelope.at(s_at + i) = static_cast<std::uint8_t>(difference + 256 * borrow);
  }
  return envelope;
}

/// Collects the vectors of one run; the names below say what each is about.
class VectorList {
 public:
  void Good(std::string name, VectorReader reader, Bytes bytes) {
    vectors_.push_back(
        {"good/" + std::move(name) + ".bin", reader, ErrorCode::kOk, std::move(bytes)});
  }
  void Bad(std::string name, VectorReader reader, ErrorCode code, Bytes bytes) {
    vectors_.push_back({"bad/" + std::move(name) + ".bin", reader, code, std::move(bytes)});
  }
  std::vector<ContractVector> Take() { return std::move(vectors_); }

 private:
  std::vector<ContractVector> vectors_;
};

void AddGoodMessages(VectorList& list) {
  list.Good("hello", VectorReader::kHello, Encode(SampleHello()));
  list.Good("hello_empty_device", VectorReader::kHello,
            Encode(With<Hello>(SampleHello(), [](Hello& h) {
              h.slots = {{}, {}};
              h.active_slot = -1;
              h.directive = {};
              h.order = {};
              h.permit_wanted = {};
              h.bad_artifacts.clear();
              h.attributes.clear();
              h.runtime_abi.clear();
              h.state = UpdateState::kIdle;
            })));
  list.Good("report_failed", VectorReader::kReport, Encode(SampleReport()));
  list.Good("report_downloading", VectorReader::kReport,
            Encode(With<Report>(SampleReport(), [](Report& r) {
              r.state = ReportState::kDownloading;
              r.code.clear();
              r.text.clear();
              r.bytes_done = 65'280;
              r.validation = {};
            })));
  list.Good("telemetry", VectorReader::kTelemetry, Encode(SampleTelemetry()));
  list.Good("telemetry_with_sketch", VectorReader::kTelemetry,
            Encode(With<Telemetry>(SampleTelemetry(), [](Telemetry& t) {
              t.lat_bins = {0xc8, 0x01, 0x00, 0x05, 0x01, 0x09};
              t.lat_seq = 3;
            })));
  list.Good("fetch_ranges", VectorReader::kFetchRequest, Encode(SampleFetch()));
  list.Good("fetch_whole", VectorReader::kFetchRequest,
            Encode(With<FetchRequest>(SampleFetch(), [](FetchRequest& f) {
              f.wanted = {{0, 0}};
            })));
  list.Good("chunk", VectorReader::kChunk, Encode(SampleChunk()));
  list.Good("chunk_not_found", VectorReader::kChunk,
            Encode(With<Chunk>(SampleChunk(), [](Chunk& c) {
              c.status = ChunkStatus::kNotFound;
              c.object_size = 0;
              c.offset = 0;
              c.data.clear();
            })));
}

void AddGoodSigned(VectorList& list, const SampleKeys& keys) {
  const auto by_release = [&](PayloadType type, ByteView payload) {
    return Seal(type, payload, {&keys.release});
  };
  const auto by_director = [&](PayloadType type, ByteView payload) {
    return Seal(type, payload, {&keys.director});
  };
  list.Good("root_1", VectorReader::kInstalledRoot, SampleRootEnvelope(keys));
  Root next = SampleRoot(keys);
  next.version = 2;
  next.root.keys = {keys.root_a.Public(), keys.root_b.Public(), keys.stranger.Public()};
  next.lowered_floors = {{"detector", 1}};
  list.Good("root_2", VectorReader::kNextRoot,
            Seal(PayloadType::kRoot, Encode(next), {&keys.root_a, &keys.root_b, &keys.stranger}));
  list.Good("manifest", VectorReader::kManifest,
            by_release(PayloadType::kManifest, Encode(SampleManifest())));
  list.Good("revocations", VectorReader::kRevocations,
            by_release(PayloadType::kRevocations, Encode(SampleRevocations())));
  list.Good("directive_install", VectorReader::kDirective,
            by_director(PayloadType::kDirective, Encode(SampleInstall())));
  list.Good("directive_revert", VectorReader::kDirective,
            by_director(PayloadType::kDirective, Encode(SampleRevert())));
  list.Good("directive_hold", VectorReader::kDirective,
            by_director(PayloadType::kDirective, Encode(SampleHold())));
  list.Good("order", VectorReader::kOrder, by_director(PayloadType::kOrder, Encode(SampleOrder())));
  list.Good("order_empty", VectorReader::kOrder,
            by_director(PayloadType::kOrder,
                        Encode(With<Order>(SampleOrder(), [](Order& o) { o.entries.clear(); }))));
  list.Good("freshness", VectorReader::kFreshness,
            by_director(PayloadType::kFreshness, Encode(SampleFreshness())));
  list.Good("answer", VectorReader::kAnswer,
            by_director(PayloadType::kAnswer, Encode(SampleAnswer())));
}

void AddBadStructure(VectorList& list) {
  const Bytes hello = Encode(SampleHello());
  list.Bad("hello_empty", VectorReader::kHello, ErrorCode::kFbInvalid, {});
  list.Bad("hello_truncated", VectorReader::kHello, ErrorCode::kFbInvalid,
           Without(hello, hello.size() / 2));
  list.Bad("hello_identifier", VectorReader::kHello, ErrorCode::kFbInvalid, Flipped(hello, 4));
  list.Bad("hello_is_a_report", VectorReader::kHello, ErrorCode::kFbInvalid,
           Encode(SampleReport()));
  list.Bad("hello_root_offset", VectorReader::kHello, ErrorCode::kFbInvalid, Flipped(hello, 3));
  list.Bad("hello_too_big", VectorReader::kHello, ErrorCode::kTooBig, Bytes(4'097, 0));
  list.Bad("telemetry_truncated", VectorReader::kTelemetry, ErrorCode::kFbInvalid,
           Without(Encode(SampleTelemetry()), 1));
}

void AddBadDeviceValues(VectorList& list) {
  const auto hello = [&](std::string name, void (*change)(Hello&)) {
    list.Bad(std::move(name), VectorReader::kHello, ErrorCode::kFbRange,
             Encode(With(SampleHello(), change)));
  };
  hello("hello_unknown_state", [](Hello& h) { h.state = static_cast<UpdateState>(10); });
  hello("hello_model_with_slash", [](Hello& h) { h.model = "../detector"; });
  hello("hello_model_with_nul", [](Hello& h) { h.model = std::string("de\0t", 4); });
  hello("hello_four_slots", [](Hello& h) { h.slots.resize(4); });
  hello("hello_active_slot_outside", [](Hello& h) { h.active_slot = 2; });
  hello("hello_chunk_size_zero", [](Hello& h) { h.chunk_size = 0; });
  const auto report = [&](std::string name, void (*change)(Report&)) {
    list.Bad(std::move(name), VectorReader::kReport, ErrorCode::kFbRange,
             Encode(With(SampleReport(), change)));
  };
  report("report_unset_state", [](Report& r) { r.state = static_cast<ReportState>(0); });
  report("report_text_newline", [](Report& r) { r.text = "a\nb"; });
  report("report_text_not_utf8", [](Report& r) { r.text = "\xC0\x80"; });
  report("report_counts_contradict", [](Report& r) { r.validation.only_new = 19; });
  report("report_more_done_than_total", [](Report& r) { r.bytes_done = r.bytes_total + 1; });
  const auto telemetry = [&](std::string name, void (*change)(Telemetry&)) {
    list.Bad(std::move(name), VectorReader::kTelemetry, ErrorCode::kTmRange,
             Encode(With(SampleTelemetry(), change)));
  };
  telemetry("telemetry_more_errors_than_inferences",
            [](Telemetry& t) { t.errors = t.inferences + 1; });
  telemetry("telemetry_cpu_above_100", [](Telemetry& t) { t.cpu_pct = 101; });
  telemetry("telemetry_unknown_flag", [](Telemetry& t) { t.flags = 64; });
  const auto fetch = [&](std::string name, void (*change)(FetchRequest&)) {
    list.Bad(std::move(name), VectorReader::kFetchRequest, ErrorCode::kFbRange,
             Encode(With(SampleFetch(), change)));
  };
  fetch("fetch_no_range", [](FetchRequest& f) { f.wanted.clear(); });
  fetch("fetch_overlap", [](FetchRequest& f) { f.wanted = {{0, 16'321}, {16'320, 1}}; });
  fetch("fetch_unaligned", [](FetchRequest& f) { f.wanted = {{1, 1}}; });
  fetch("fetch_overflow", [](FetchRequest& f) {
    f.wanted = {{16'320, std::numeric_limits<std::uint64_t>::max()}};
  });
  list.Bad("fetch_ranges_on_four_bytes", VectorReader::kFetchRequest, ErrorCode::kFbRange,
           WithRangesOnFourBytes(SampleFetch()));
  const auto chunk = [&](std::string name, void (*change)(Chunk&)) {
    list.Bad(std::move(name), VectorReader::kChunk, ErrorCode::kFbRange,
             Encode(With(SampleChunk(), change)));
  };
  chunk("chunk_past_the_end", [](Chunk& c) { c.object_size = c.offset + c.data.size() - 1; });
  chunk("chunk_busy_with_data", [](Chunk& c) { c.status = ChunkStatus::kBusy; });
}

void AddBadSignedValues(VectorList& list, const SampleKeys& keys) {
  const auto manifest = [&](std::string name, ErrorCode code, void (*change)(ReleaseManifest&)) {
    list.Bad(std::move(name), VectorReader::kManifest, code,
             Seal(PayloadType::kManifest, Encode(With(SampleManifest(), change)), {&keys.release}));
  };
  manifest("manifest_not_a_number", ErrorCode::kFbRange, [](ReleaseManifest& m) {
    m.limits.error_rate_max = std::numeric_limits<double>::quiet_NaN();
  });
  manifest("manifest_infinite_latency", ErrorCode::kFbRange, [](ReleaseManifest& m) {
    m.limits.latency_p99_max_ms = std::numeric_limits<double>::infinity();
  });
  manifest("manifest_no_hardware", ErrorCode::kFbRange,
           [](ReleaseManifest& m) { m.hardware.clear(); });
  manifest("manifest_artifact_too_big", ErrorCode::kFbRange,
           [](ReleaseManifest& m) { m.artifact_size = (std::uint64_t{4} << 30) + 1; });
  manifest("manifest_other_fleet", ErrorCode::kWrongFleet,
           [](ReleaseManifest& m) { m.fleet_id = "plant-8"; });
  const auto directive = [&](std::string name, void (*change)(Directive&)) {
    list.Bad(
        std::move(name), VectorReader::kDirective, ErrorCode::kFbRange,
        Seal(PayloadType::kDirective, Encode(With(SampleInstall(), change)), {&keys.director}));
  };
  directive("directive_without_number", [](Directive& d) { d.number = {}; });
  directive("directive_device_with_dot", [](Directive& d) { d.device_id = "cam.17"; });
  directive("directive_unknown_action",
            [](Directive& d) { d.action = static_cast<DirectiveAction>(4); });
  directive("directive_five_offers", [](Directive& d) { d.offers.resize(5, d.offers[0]); });
}

void AddBadEnvelopes(VectorList& list, const SampleKeys& keys) {
  const Bytes payload = Encode(SampleManifest());
  const Bytes good = Seal(PayloadType::kManifest, payload, {&keys.release});
  const auto bad = [&](std::string name, ErrorCode code, Bytes bytes) {
    list.Bad("envelope_" + std::move(name), VectorReader::kManifest, code, std::move(bytes));
  };
  bad("magic", ErrorCode::kEnvFormat, Flipped(good, 0));
  bad("version", ErrorCode::kEnvFormat, Flipped(good, 4));
  bad("other_type", ErrorCode::kEnvFormat, Seal(PayloadType::kOrder, payload, {&keys.release}));
  bad("truncated", ErrorCode::kEnvFormat, Without(good, 1));
  bad("trailing_byte", ErrorCode::kEnvFormat, WithTail(good));
  bad("reserved_byte", ErrorCode::kEnvFormat, Flipped(good, 13));
  bad("payload_bit", ErrorCode::kSigBad, Flipped(good, good.size() - 1));
  bad("signature_bit", ErrorCode::kSigBad, Flipped(good, 12 + 40));
  bad("ed25519_s_plus_order", ErrorCode::kSigBad, WithMalleatedEd25519(good));
  bad("unknown_key", ErrorCode::kSigUnknownKey,
      Seal(PayloadType::kManifest, payload, {&keys.stranger}));
  bad("key_of_another_role", ErrorCode::kSigRole,
      Seal(PayloadType::kManifest, payload, {&keys.director}));
  bad("key_signs_twice", ErrorCode::kSigDuplicateKey,
      Seal(PayloadType::kManifest, payload, {&keys.release, &keys.release}));
}

void AddBadRoots(VectorList& list, const SampleKeys& keys) {
  const Bytes first = Encode(SampleRoot(keys));
  list.Bad("root_one_of_two", VectorReader::kInstalledRoot, ErrorCode::kSigThreshold,
           Seal(PayloadType::kRoot, first, {&keys.root_a}));
  list.Bad("root_p256_high_s", VectorReader::kInstalledRoot, ErrorCode::kSigBad,
           WithHighS(SampleRootEnvelope(keys), 1));
  Root weak = SampleRoot(keys);
  weak.release.keys[0].raw = Bytes(32, 0);  // a point of order 4
  list.Bad("root_weak_release_key", VectorReader::kInstalledRoot, ErrorCode::kKeyWeak,
           Seal(PayloadType::kRoot, Encode(weak), {&keys.root_a, &keys.root_b}));
  Root shared = SampleRoot(keys);
  shared.director = shared.release;
  list.Bad("root_key_with_two_roles", VectorReader::kInstalledRoot, ErrorCode::kFbRange,
           Seal(PayloadType::kRoot, Encode(shared), {&keys.root_a, &keys.root_b}));
  Root skipped = SampleRoot(keys);
  skipped.version = 3;
  list.Bad("root_skips_a_version", VectorReader::kNextRoot, ErrorCode::kRootChain,
           Seal(PayloadType::kRoot, Encode(skipped), {&keys.root_a, &keys.root_b}));
  list.Bad("root_same_version", VectorReader::kNextRoot, ErrorCode::kRootChain,
           SampleRootEnvelope(keys));
  Root replaced = SampleRoot(keys);
  replaced.version = 2;
  replaced.root = {{keys.stranger.Public()}, 1};
  list.Bad("root_signed_by_new_keys_only", VectorReader::kNextRoot, ErrorCode::kSigUnknownKey,
           Seal(PayloadType::kRoot, Encode(replaced), {&keys.stranger}));
  list.Bad("root_signed_by_old_keys_only", VectorReader::kNextRoot, ErrorCode::kSigUnknownKey,
           Seal(PayloadType::kRoot, Encode(replaced), {&keys.root_a, &keys.root_b}));
}

}  // namespace

std::string_view VectorReaderName(VectorReader reader) {
  return kReaderNames.at(static_cast<std::size_t>(reader));
}

Bytes SampleRootEnvelope(const SampleKeys& keys) {
  return Seal(PayloadType::kRoot, Encode(SampleRoot(keys)), {&keys.root_a, &keys.root_b});
}

std::vector<ContractVector> MakeContractVectors() {
  const SampleKeys keys;
  VectorList list;
  AddGoodMessages(list);
  AddGoodSigned(list, keys);
  AddBadStructure(list);
  AddBadDeviceValues(list);
  AddBadSignedValues(list, keys);
  AddBadEnvelopes(list, keys);
  AddBadRoots(list, keys);
  return list.Take();
}

std::string IndexOf(const std::vector<ContractVector>& vectors) {
  std::string text =
      "# file, what it is read as, the code that answers it. The signed types are opened under "
      "good/root_1.bin;\n"
      "# NextRoot follows it. Made by tests/support/make_vectors.cc.\n";
  for (const ContractVector& vector : vectors) {
    text += vector.file + " " + std::string(VectorReaderName(vector.reader)) + " " +
            std::string(CodeName(vector.expected)) + "\n";
  }
  return text;
}

}  // namespace sluice::test_support
