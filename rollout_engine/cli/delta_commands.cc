#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "rollout_engine/cli/choice.h"
#include "rollout_engine/cli/commands.h"
#include "rollout_engine/cli/table.h"
#include "rollout_engine/payload/apply.h"
#include "rollout_engine/payload/encoder.h"
#include "rollout_engine/registry/file_io.h"

namespace sluice {
namespace {

/// In memory, both sides and the result: a tool for people, not the engine's path.
constexpr std::uint64_t kDeltaFileBytesMax = std::uint64_t{1} << 30;

struct DeltaOptions {
  std::string base;
  std::string artifact;
  std::string payload;
  std::string out;
  MemoryClass memory_class = MemoryClass::kL;
  CodecProfile profile = CodecProfile::kAuto;
};

Result<std::optional<Bytes>> ReadBase(const DeltaOptions& options) {
  if (options.base.empty()) return std::nullopt;
  SLUICE_ASSIGN(Bytes bytes, ReadFile(options.base, kDeltaFileBytesMax));
  return bytes;
}

std::optional<ByteView> ViewOf(const std::optional<Bytes>& bytes) {
  return bytes ? std::optional<ByteView>(*bytes) : std::nullopt;
}

Result<PayloadHead> ParseHeadOf(ByteView payload) {
  SLUICE_ASSIGN(const std::size_t head_size, HeadSizeOf(payload));
  return ParseHead(payload.first(std::min(head_size, payload.size())));
}

Status Make(Session& session, const DeltaOptions& options) {
  SLUICE_ASSIGN(const std::optional<Bytes> base, ReadBase(options));
  SLUICE_ASSIGN(const Bytes artifact, ReadFile(options.artifact, kDeltaFileBytesMax));
  SLUICE_ASSIGN(const EncodedPayload payload,
                EncodePayload(ViewOf(base), artifact,
                              {.memory_class = options.memory_class, .profile = options.profile}));
  SLUICE_TRY(WriteFile(options.out, payload.bytes));
  const double share =
      100.0 * static_cast<double>(payload.bytes.size()) / static_cast<double>(artifact.size());
  session.out << options.out << ": " << payload.bytes.size() << " bytes, " << NumberText(share)
              << "% of " << artifact.size() << "\n";
  return {};
}

Status Apply(Session& session, const DeltaOptions& options) {
  SLUICE_ASSIGN(const std::optional<Bytes> base, ReadBase(options));
  SLUICE_ASSIGN(const Bytes payload, ReadFile(options.payload, kDeltaFileBytesMax));
  SLUICE_ASSIGN(const PayloadHead head, ParseHeadOf(payload));
  SLUICE_ASSIGN(const Bytes artifact,
                ApplyPayload(ViewOf(base), payload, head.memory_class, kCodecMaskV1));
  SLUICE_TRY(WriteFile(options.out, artifact));
  session.out << options.out << ": " << artifact.size() << " bytes, sha256 "
              << head.out_sha256.Hex() << "\n";
  return {};
}

Status Info(Session& session, const DeltaOptions& options) {
  SLUICE_ASSIGN(const Bytes payload, ReadFile(options.payload, kDeltaFileBytesMax));
  SLUICE_ASSIGN(const PayloadHead head, ParseHeadOf(payload));
  session.out << (head.kind == PayloadKind::kDelta ? "delta" : "full") << ", " << payload.size()
              << " bytes to " << head.out_size << ", sha256 " << head.out_sha256.Hex() << "\n";
  if (head.kind == PayloadKind::kDelta) {
    session.out << "base " << head.base_size << " bytes, sha256 " << head.base_sha256.Hex() << "\n";
  }
  std::map<Codec, std::pair<std::size_t, std::uint64_t>> by_codec;
  for (const BlockRow& row : head.rows) {
    ++by_codec[row.codec].first;
    by_codec[row.codec].second += row.in_len;
  }
  Table table({"CODEC", "BLOCKS", "BYTES"});
  for (const auto& [codec, sum] : by_codec) {
    table.Add(
        {std::string(CodecName(codec)), std::to_string(sum.first), std::to_string(sum.second)});
  }
  session.out << table.Render();
  return {};
}

}  // namespace

void AddDeltaCommands(CLI::App& app, Session& session) {
  CLI::App* noun = app.add_subcommand("delta", "payloads by hand: what a device would fetch");
  noun->require_subcommand(1);
  auto options = std::make_shared<DeltaOptions>();

  CLI::App* make = noun->add_subcommand("make", "encode an artifact, from a base or in full");
  make->add_option("ARTIFACT", options->artifact)->required();
  make->add_option("--base", options->base,
                   "the artifact that the device has; without it a full payload");
  static const std::map<std::string, MemoryClass> kClasses = {
      {"s", MemoryClass::kS}, {"m", MemoryClass::kM}, {"l", MemoryClass::kL}};
  make->add_option("--class", options->memory_class, "the device's memory: s, m or l (l)")
      ->transform(OneOf(kClasses));
  static const std::map<std::string, CodecProfile> kProfiles = {
      {"auto", CodecProfile::kAuto},
      {"librsync", CodecProfile::kLibrsync},
      {"raw", CodecProfile::kRaw}};
  make->add_option("--profile", options->profile, "auto, librsync or raw (auto)")
      ->transform(OneOf(kProfiles));
  make->add_option("-o,--out", options->out, "the payload to write")->required();
  make->callback([&session, options] { session.Finish(Make(session, *options)); });

  CLI::App* apply = noun->add_subcommand("apply", "decode a payload as a device does");
  apply->add_option("PAYLOAD", options->payload)->required();
  apply->add_option("--base", options->base, "the artifact that the device has");
  apply->add_option("-o,--out", options->out, "the artifact to write")->required();
  apply->callback([&session, options] { session.Finish(Apply(session, *options)); });

  CLI::App* info = noun->add_subcommand("info", "what is in a payload");
  info->add_option("PAYLOAD", options->payload)->required();
  info->callback([&session, options] { session.Finish(Info(session, *options)); });
}

}  // namespace sluice
