#include "tests/bench/delta/delta_corpus.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/bench/delta/delta_tool.h"

namespace sluice::bench {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Result<Json> ReadJson(const std::string& path) {
  std::ifstream file(path);
  Json json = Json::parse(file, nullptr, false);
  if (json.is_discarded()) return Fail(ErrorCode::kCfgRange, path + ": not JSON");
  return json;
}

struct FoundFile {
  std::string path;
  std::uint64_t bytes = 0;
};

Result<FoundFile> Find(const Json& entry, const std::string& dir, const std::string& cache) {
  const std::string name = entry.at("file");
  for (const std::string& folder : {dir, dir + "/trained", cache}) {
    const std::string path = folder + "/" + name;
    if (!fs::exists(path)) continue;
    SLUICE_ASSIGN(const std::string sha256, FileSha256(path));
    if (sha256 != entry.at("sha256").get<std::string>()) {
      return Fail(ErrorCode::kArtifactHash, path + ": not the file of the index; remove it");
    }
    return FoundFile{path, fs::file_size(path)};
  }
  return Fail(ErrorCode::kNotFound, name + ": not fetched; run tests/bench/corpus/fetch.py");
}

Result<ModelPair> PairOf(const Json& json, const std::string& dir, const std::string& cache) {
  SLUICE_ASSIGN(FoundFile old_file, Find(json.at("old"), dir, cache));
  SLUICE_ASSIGN(FoundFile new_file, Find(json.at("new"), dir, cache));
  return ModelPair{json.at("id"),
                   json.at("kind"),
                   json.at("dtype"),
                   json.at("old").contains("npm") && json.at("new").contains("npm"),
                   std::move(old_file.path),
                   std::move(new_file.path),
                   old_file.bytes,
                   new_file.bytes};
}

std::optional<std::uint64_t> BytesAt(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

}  // namespace

Result<Corpus> LoadCorpus(const std::string& dir, const std::string& cache,
                          const std::string& reasons) try {
  Corpus corpus;
  SLUICE_ASSIGN(const Json index, ReadJson(dir + "/index.json"));
  for (const Json& json : index) {
    SLUICE_ASSIGN(ModelPair pair, PairOf(json, dir, cache));
    corpus.pairs.push_back(std::move(pair));
  }
  if (fs::exists(dir + "/baselines.json")) {
    SLUICE_ASSIGN(const Json baselines, ReadJson(dir + "/baselines.json"));
    for (const auto& [id, json] : baselines.items()) {
      corpus.baselines[id] = {json.at("prototype_64k"), BytesAt(json, "best_rdiff_zstd19"),
                              BytesAt(json, "best_peer")};
    }
  }
  SLUICE_ASSIGN(const Json texts, ReadJson(reasons));
  corpus.reasons = texts.get<std::map<std::string, std::string>>();
  return corpus;
} catch (const Json::exception& error) {
  return Fail(ErrorCode::kCfgRange, dir + ": " + error.what());
}

}  // namespace sluice::bench
