// The pairs of models to measure: an index of exact files, where they lie, and what other runs
// found of them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace sluice::bench {

struct ModelPair {
  std::string id;
  std::string kind;        // what changed, in words
  std::string dtype;       // of most weights
  bool published = false;  // both files are public packages; else trained for the corpus
  std::string old_path, new_path;
  std::uint64_t old_bytes = 0, new_bytes = 0;
  bool is_made = false;  // by the benchmark: counts in no mean
};

/// Figures of a corpus that were measured once with every tool; bytes.
struct Baseline {
  std::uint64_t prototype = 0;  // the codec's prototype, blocks of 64 KiB
  std::optional<std::uint64_t> best_rdiff;
  std::optional<std::uint64_t> best_peer;
};

struct Corpus {
  std::vector<ModelPair> pairs;
  std::map<std::string, Baseline> baselines;   // by id; empty: nothing is known
  std::map<std::string, std::string> reasons;  // by id: why a pair stays above its best peer
};

/// Reads DIR/index.json ([{id, kind, dtype, old: {file, size, sha256[, npm, path]}, new: ...}]),
/// DIR/baselines.json where it exists, and `reasons` ({id: text}). Files lie in DIR, in DIR/trained
/// or in `cache`; each is hashed. E_NOT_FOUND, E_CFG_RANGE, E_ARTIFACT_HASH.
Result<Corpus> LoadCorpus(const std::string& dir, const std::string& cache,
                          const std::string& reasons);

}  // namespace sluice::bench
