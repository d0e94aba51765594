#include "tests/bench/delta/made_pairs.h"

#include <filesystem>
#include <fstream>

#include "common/payload/float_formats.h"
#include "tests/support/sample_models.h"

namespace sluice::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRank = 8;

struct MadeTensor {
  const char* name;
  std::size_t rows, columns;
  bool is_merged;
};
// One layer of a small transformer, and a head.
constexpr std::array kTensors = {MadeTensor{"layer.attention.query", 512, 768, true},
                                 MadeTensor{"layer.attention.value", 512, 768, true},
                                 MadeTensor{"layer.norm", 1, 768, false},
                                 MadeTensor{"head", 64, 768, false}};

struct MadeKind {
  ElementKind kind;
  const char* name;   // of the pair, and in words
  const char* dtype;  // of safetensors
};
constexpr std::array kKinds = {MadeKind{ElementKind::kF32, "f32", "F32"},
                               MadeKind{ElementKind::kF16, "f16", "F16"},
                               MadeKind{ElementKind::kBf16, "bf16", "BF16"}};

std::string Header(const MadeKind& kind) {
  std::string json;
  std::size_t at = 0;
  for (const MadeTensor& tensor : kTensors) {
    const std::size_t end = at + tensor.rows * tensor.columns * ElementWidth(kind.kind);
    json += std::string(json.empty() ? "{" : ",") + "\"" + tensor.name + "\":{\"dtype\":\"" +
            kind.dtype + "\",\"shape\":[" + std::to_string(tensor.rows) + "," +
            std::to_string(tensor.columns) + "],\"data_offsets\":[" + std::to_string(at) + "," +
            std::to_string(end) + "]}";
    at = end;
  }
  json += "}";
  Bytes length;
  AppendLe<std::uint64_t>(length, json.size());
  return std::string(AsText(length)) + json;
}

void Append(std::string& row, const MadeKind& kind, std::uint32_t bits) {
  for (std::uint32_t i = 0; i < ElementWidth(kind.kind); ++i) {
    row += static_cast<char>(bits >> (8 * i));
  }
}

// Weights of 0.03 and changes of 0.01, as their standard deviations are. Row by row: what this
// process holds would count as memory of each tool.
void WriteTensor(const MadeKind& kind, const MadeTensor& tensor, std::uint64_t seed,
                 std::ofstream& old_file, std::ofstream& new_file) {
  SeededRandom random(seed);
  std::vector<float> directions(tensor.is_merged ? kRank * tensor.columns : 0);
  for (float& direction : directions) direction = DrawWeight(random);
  std::array<float, kRank> shares{};
  std::string old_row, new_row;
  for (std::size_t row = 0; row < tensor.rows; ++row) {
    old_row.clear();
    new_row.clear();
    for (float& share : shares) share = 4 * DrawWeight(random);
    for (std::size_t column = 0; column < tensor.columns; ++column) {
      const std::uint32_t old_bits = FloatToElement(kind.kind, DrawWeight(random));
      float change = 0;
      for (std::size_t k = 0; tensor.is_merged && k < kRank; ++k) {
        change += shares[k] * directions[k * tensor.columns + column];
      }
      Append(old_row, kind, old_bits);
      Append(new_row, kind,
             FloatToElement(kind.kind, ElementToFloat(kind.kind, old_bits) + change));
    }
    old_file << old_row;
    new_file << new_row;
  }
}

Result<ModelPair> MakePair(const MadeKind& kind, const std::string& folder) {
  ModelPair pair;
  pair.id = std::string("lora8_merged.") + kind.name;
  pair.kind = "made: LoRA of rank 8 merged";
  pair.dtype = kind.name;
  pair.is_made = true;
  pair.old_path = folder + "/" + pair.id + ".old.safetensors";
  pair.new_path = folder + "/" + pair.id + ".new.safetensors";
  std::ofstream old_file(pair.old_path, std::ios::binary);
  std::ofstream new_file(pair.new_path, std::ios::binary);
  const std::string header = Header(kind);
  old_file << header;
  new_file << header;
  for (std::size_t i = 0; i < kTensors.size(); ++i) {
    WriteTensor(kind, kTensors[i], i + 1, old_file, new_file);
  }
  if (!old_file.flush() || !new_file.flush()) return Fail(ErrorCode::kIo, "cannot write " + folder);
  pair.old_bytes = fs::file_size(pair.old_path);
  pair.new_bytes = fs::file_size(pair.new_path);
  return pair;
}

}  // namespace

Result<std::vector<ModelPair>> MakePairs(const std::string& folder) {
  std::error_code ignored;  // the first file tells
  fs::create_directories(folder, ignored);
  std::vector<ModelPair> pairs;
  for (const MadeKind& kind : kKinds) {
    SLUICE_ASSIGN(ModelPair pair, MakePair(kind, folder));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace sluice::bench
