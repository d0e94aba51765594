#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>

#include "common/crypto/digest.h"
#include "rollout_engine/cli/choice.h"
#include "rollout_engine/cli/commands.h"
#include "rollout_engine/cli/delta_apply.h"
#include "rollout_engine/cli/delta_info.h"
#include "rollout_engine/cli/snap_record.h"
#include "rollout_engine/cli/table.h"
#include "rollout_engine/payload/encoder.h"
#include "rollout_engine/registry/file_io.h"

namespace sluice {
namespace {

/// Read into memory to encode: a tool for people, not the engine's path.
constexpr std::uint64_t kDeltaFileBytesMax = std::uint64_t{1} << 30;
constexpr std::uint64_t kSnapRecordBytesMax = 64 << 20;
constexpr const char* kNoBase = "-";

/// What --codec may be: a profile, and of it the codecs that may be used.
enum class CodecChoice { kAuto, kLibrsync, kZstd, kElem, kRaw };

struct DeltaOptions {
  std::string old_file;
  std::string new_file;
  std::string payload;
  std::string out;
  std::string head_digest;
  std::string snap;
  double step_sigmas = kSnapStepDefault;
  MemoryClass memory_class = MemoryClass::kL;
  CodecChoice codec = CodecChoice::kAuto;
};

EncodeOptions EncodeOptionsOf(const DeltaOptions& options) {
  EncodeOptions encode{.memory_class = options.memory_class};
  constexpr std::uint32_t kRaw = CodecBit(Codec::kRaw);
  switch (options.codec) {
    case CodecChoice::kAuto:
      break;
    case CodecChoice::kLibrsync:
      encode.profile = CodecProfile::kLibrsync;
      break;
    case CodecChoice::kRaw:
      encode.profile = CodecProfile::kRaw;
      break;
    case CodecChoice::kZstd:
      encode.codec_mask = kRaw | CodecBit(Codec::kZlit);
      break;
    case CodecChoice::kElem:
      encode.codec_mask =
          kRaw | CodecBit(Codec::kElem) | CodecBit(Codec::kQdelta) | CodecBit(Codec::kLowrank);
      break;
  }
  return encode;
}

/// A record made for other files would be a mistake that costs bytes and says nothing.
Status CheckSnapRecord(const DeltaOptions& options, const Bytes& base, const Bytes& artifact) {
  SLUICE_ASSIGN(const Bytes text, ReadFile(options.snap, kSnapRecordBytesMax));
  const auto record = ParseSnapRecord(AsText(text));
  if (!record) return Fail(record.error().With(options.snap));
  if (record->base != Sha256(base) || record->snapped != Sha256(artifact)) {
    return Fail(ErrorCode::kUsage,
                options.snap + " was written for another OLD or NEW; give the files of one snap");
  }
  return {};
}

/// An artifact that devices run may exist nowhere else.
Status RefuseToOverwrite(const DeltaOptions& options) {
  std::error_code missing;  // what does not exist is no other file
  for (const std::string& input : {options.old_file, options.new_file, options.payload}) {
    if (!input.empty() && std::filesystem::equivalent(input, options.out, missing)) {
      return Fail(ErrorCode::kUsage,
                  "-o " + options.out + " is a file that is read; write to another one");
    }
  }
  return {};
}

Status Make(Session& session, const DeltaOptions& options) {
  SLUICE_TRY(RefuseToOverwrite(options));
  std::optional<Bytes> base;
  std::optional<ByteView> base_view;
  if (options.old_file != kNoBase) {
    SLUICE_ASSIGN(base, ReadFile(options.old_file, kDeltaFileBytesMax));
    base_view = *base;
  }
  SLUICE_ASSIGN(const Bytes artifact, ReadFile(options.new_file, kDeltaFileBytesMax));
  if (!options.snap.empty()) {
    if (!base) return Fail(ErrorCode::kUsage, "--snap is for deltas; give OLD");
    SLUICE_TRY(CheckSnapRecord(options, *base, artifact));
  }
  SLUICE_ASSIGN(const EncodedPayload payload,
                EncodePayload(base_view, artifact, EncodeOptionsOf(options)));
  SLUICE_TRY(WriteFile(options.out, payload.bytes));
  const double share =
      100.0 * static_cast<double>(payload.bytes.size()) / static_cast<double>(artifact.size());
  session.out << options.out << ": " << payload.bytes.size() << " bytes, " << NumberText(share)
              << "% of " << artifact.size() << ", head digest " << payload.head_digest.Hex()
              << "\n";
  return {};
}

Status Apply(Session& session, const DeltaOptions& options) {
  SLUICE_TRY(RefuseToOverwrite(options));
  std::optional<Digest> head_digest;
  if (!options.head_digest.empty()) {
    SLUICE_ASSIGN(head_digest, DigestFromHex(options.head_digest));
  }
  const std::string base = options.old_file == kNoBase ? "" : options.old_file;
  SLUICE_ASSIGN(const AppliedPayload applied,
                ApplyToFile({base, options.payload, options.out}, head_digest));
  if (applied.blocks_resumed > 0) {
    session.err << "went on after " << applied.blocks_resumed << " of " << applied.blocks
                << " blocks\n";
  }
  session.out << options.out << ": " << applied.size_bytes << " bytes, sha256 "
              << applied.sha256.Hex() << "\n";
  return {};
}

Status Info(Session& session, const DeltaOptions& options) {
  SLUICE_ASSIGN(const Bytes payload, ReadFile(options.payload, kDeltaFileBytesMax));
  SLUICE_ASSIGN(const std::size_t head_size, HeadSizeOf(payload));
  SLUICE_ASSIGN(const PayloadHead head,
                ParseHead(ByteView(payload).first(std::min(head_size, payload.size()))));
  SLUICE_TRY(CheckPayloadSize(head, payload.size()));
  const std::string info = PayloadInfoJson(head, payload);
  if (session.WantsDocument()) return PrintDocument(session, info);
  session.out << PayloadInfoText(info);
  return {};
}

std::string SnapTable(const std::vector<SnappedTensor>& tensors) {
  Table table({"TENSOR", "ELEMENTS", "SIGMA", "STEP", "MAX |K|", "MOVED", "EXACT"});
  for (const SnappedTensor& snapped : tensors) {
    table.Add({snapped.tensor.name, std::to_string(snapped.elements), NumberText(snapped.sigma),
               snapped.step == 0 ? "exact" : NumberText(static_cast<double>(snapped.step)),
               std::to_string(snapped.k_max), std::to_string(snapped.moved),
               std::to_string(snapped.kept_exact)});
  }
  return table.Render();
}

Status Snap(Session& session, const DeltaOptions& options) {
  SLUICE_TRY(RefuseToOverwrite(options));
  SLUICE_ASSIGN(const Bytes base, ReadFile(options.old_file, kDeltaFileBytesMax));
  SLUICE_ASSIGN(const Bytes artifact, ReadFile(options.new_file, kDeltaFileBytesMax));
  SLUICE_ASSIGN(const SnappedArtifact snapped, SnapArtifact(base, artifact, options.step_sigmas));
  const SnapRecord record{Sha256(base), Sha256(artifact), Sha256(snapped.bytes),
                          options.step_sigmas, snapped.tensors};
  SLUICE_TRY(WriteFile(options.out, snapped.bytes));
  SLUICE_TRY(WriteFile(options.out + ".snap.json", AsBytes(SnapRecordToJson(record))));
  session.out << SnapTable(snapped.tensors);
  session.err << options.out << " is another model than " << options.new_file
              << ": evaluate it, then sign and ship it, not " << options.new_file << "\n";
  return {};
}

void AddMake(CLI::App& noun, Session& session, const std::shared_ptr<DeltaOptions>& options) {
  CLI::App* make = noun.add_subcommand("make", "encode NEW as a delta from OLD, or in full");
  make->add_option("OLD", options->old_file,
                   "the artifact that the device has; - for a full payload")
      ->required();
  make->add_option("NEW", options->new_file)->required();
  static const std::map<std::string, MemoryClass> kClasses = {
      {"S", MemoryClass::kS}, {"M", MemoryClass::kM}, {"L", MemoryClass::kL}};
  make->add_option("--class", options->memory_class, "the device's memory: S, M or L (L)")
      ->transform(OneOf(kClasses));
  static const std::map<std::string, CodecChoice> kCodecs = {{"auto", CodecChoice::kAuto},
                                                             {"librsync", CodecChoice::kLibrsync},
                                                             {"zstd", CodecChoice::kZstd},
                                                             {"elem", CodecChoice::kElem},
                                                             {"raw", CodecChoice::kRaw}};
  make->add_option("--codec", options->codec, "auto, librsync, zstd, elem or raw (auto)")
      ->transform(OneOf(kCodecs));
  make->add_option("--snap", options->snap, "the record that 'delta snap' wrote beside NEW");
  make->add_option("-o,--out", options->out, "the payload to write")->required();
  make->callback([&session, options] { session.Finish(Make(session, *options)); });
}

void AddSnap(CLI::App& noun, Session& session, const std::shared_ptr<DeltaOptions>& options) {
  CLI::App* snap = noun.add_subcommand(
      "snap", "move NEW's weights by whole steps from OLD's: another model, a far smaller delta");
  snap->add_option("OLD", options->old_file)->required();
  snap->add_option("NEW", options->new_file)->required();
  snap->add_option("--step", options->step_sigmas,
                   "of each tensor's standard deviation of new - old (0.5)");
  snap->add_option("-o,--out", options->out, "the model to write, and its record as FILE.snap.json")
      ->required();
  snap->callback([&session, options] { session.Finish(Snap(session, *options)); });
}

}  // namespace

void AddDeltaCommands(CLI::App& app, Session& session) {
  CLI::App* noun = app.add_subcommand("delta", "payloads by hand: what a device would fetch");
  noun->require_subcommand(1);
  auto options = std::make_shared<DeltaOptions>();
  AddMake(*noun, session, options);

  CLI::App* apply = noun->add_subcommand(
      "apply", "decode a payload as a device does; a run that was stopped goes on");
  apply->add_option("OLD", options->old_file, "the artifact that the device has; - for none")
      ->required();
  apply->add_option("PAYLOAD", options->payload)->required();
  apply->add_option("--head-digest", options->head_digest, "SHA-256 that the head must have");
  apply->add_option("-o,--out", options->out, "the artifact to write")->required();
  apply->callback([&session, options] { session.Finish(Apply(session, *options)); });

  CLI::App* info = noun->add_subcommand("info", "what is in a payload");
  info->add_option("PAYLOAD", options->payload)->required();
  AddOutputOption(*info, session);
  info->callback([&session, options] { session.Finish(Info(session, *options)); });
  AddSnap(*noun, session, options);
}

}  // namespace sluice
