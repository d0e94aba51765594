#include "rollout_engine/cli/delta_info.h"

#include <map>

#include "common/crypto/digest.h"
#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/table.h"

namespace sluice {
namespace {

constexpr std::uint32_t kSmallChunk = 4'096;
constexpr std::uint32_t kLargeChunk = 16'320;
constexpr double kSmallChunkOverhead = 0.115;
constexpr double kLargeChunkOverhead = 0.064;
constexpr std::uint64_t kHashListUnit = 65'536;

struct CodecSum {
  std::uint64_t blocks = 0, in_bytes = 0, out_bytes = 0;
};

const char* ClassName(MemoryClass memory_class) {
  if (memory_class == MemoryClass::kS) return "S";
  return memory_class == MemoryClass::kM ? "M" : "L";
}

Json CodecsOf(const PayloadHead& head) {
  std::map<Codec, CodecSum> sums;
  for (std::size_t i = 0; i < head.rows.size(); ++i) {
    CodecSum& sum = sums[head.rows[i].codec];
    ++sum.blocks;
    sum.in_bytes += head.rows[i].in_len;
    sum.out_bytes += head.OutLength(i);
  }
  Json codecs = Json::array();
  for (const auto& [codec, sum] : sums) {
    codecs.push_back({{"codec", CodecName(codec)},
                      {"blocks", sum.blocks},
                      {"in_bytes", sum.in_bytes},
                      {"out_bytes", sum.out_bytes}});
  }
  return codecs;
}

}  // namespace

std::uint64_t PredictedBytes(std::uint64_t payload_bytes, std::uint64_t artifact_bytes,
                             std::uint32_t chunk_bytes) noexcept {
  const std::uint64_t hash_list =
      (artifact_bytes + kHashListUnit - 1) / kHashListUnit * Digest::kSize;
  const double overhead = chunk_bytes >= kLargeChunk ? kLargeChunkOverhead : kSmallChunkOverhead;
  return static_cast<std::uint64_t>(static_cast<double>(payload_bytes + hash_list) *
                                    (1 + overhead));
}

std::string PayloadInfoJson(const PayloadHead& head, ByteView payload) {
  Json info = {{"kind", head.kind == PayloadKind::kDelta ? "delta" : "full"},
               {"class", ClassName(head.memory_class)},
               {"head_digest", Sha256(payload.first(head.HeadSize())).Hex()},
               {"head_size", head.HeadSize()},
               {"payload_sha256", Sha256(payload).Hex()},
               {"payload_bytes", payload.size()},
               {"out_sha256", head.out_sha256.Hex()},
               {"out_size", head.out_size}};
  if (head.kind == PayloadKind::kDelta) {
    info["base_sha256"] = head.base_sha256.Hex();
    info["base_size"] = head.base_size;
  }
  info["block_size"] = head.block_size;
  info["blocks"] = head.rows.size();
  info["codecs"] = CodecsOf(head);
  info["ratio"] = static_cast<double>(payload.size()) / static_cast<double>(head.out_size);
  for (const std::uint32_t chunk : {kSmallChunk, kLargeChunk}) {
    info["predicted_bytes"][std::to_string(chunk)] =
        PredictedBytes(payload.size(), head.out_size, chunk);
  }
  return info.dump();
}

std::string PayloadInfoText(const std::string& json) {
  const Json info = Json::parse(json);
  const auto bytes_of = [&info](const char* key) { return std::to_string(IntegerAt(info, key)); };
  std::string text = TextAt(info, "kind") + ", class " + TextAt(info, "class") + ", " +
                     bytes_of("payload_bytes") + " bytes to " + bytes_of("out_size") + " (" +
                     NumberText(100 * NumberAt(info, "ratio")) + "%)\n";
  text += "artifact " + TextAt(info, "out_sha256") + "\n";
  if (info.contains("base_sha256")) {
    text += "base     " + TextAt(info, "base_sha256") + ", " + bytes_of("base_size") + " bytes\n";
  }
  text += "head     " + TextAt(info, "head_digest") + ", " + bytes_of("head_size") + " bytes\n";
  Table table({"CODEC", "BLOCKS", "BYTES", "OF"});
  for (const Json& codec : ItemsAt(info, "codecs")) {
    table.Add({TextAt(codec, "codec"), std::to_string(IntegerAt(codec, "blocks")),
               std::to_string(IntegerAt(codec, "in_bytes")),
               std::to_string(IntegerAt(codec, "out_bytes"))});
  }
  text += table.Render();
  for (const auto& [chunk, bytes] : info.at("predicted_bytes").items()) {
    text += "about " + SizeText(bytes.get<std::uint64_t>()) + " over the air in chunks of " +
            chunk + " bytes\n";
  }
  return text;
}

}  // namespace sluice
