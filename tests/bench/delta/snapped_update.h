// Updates that were snapped before they were encoded: what travels, and what the model is worth
// afterwards.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/delta/delta_corpus.h"

namespace sluice::bench {

struct SnappedResult {
  std::string pair;
  double percent = 0;  // of the full artifact
};

/// How often a classifier is right, 0..1: the old one, its fine-tune as it is, and snapped.
struct SnappedAccuracy {
  std::string images;
  std::size_t count = 0;
  double old = 0, exact = 0, snapped = 0;
  /// Of the share that is right among so many.
  [[nodiscard]] double StandardError() const;
};

struct SnappedDigits {
  double exact_percent = 0;    // of the full artifact, what the fine-tune sends as it is
  double snapped_percent = 0;  // and snapped
  std::vector<SnappedAccuracy> accuracies;
};

/// The update of `pair` as `sluice delta snap --step 0.5` writes it, made and applied. What RunTool
/// returns. `work`: a path that files may be made at and beside.
Result<SnappedResult> MeasureSnapped(const ModelPair& pair, const std::string& sluice,
                                     const std::string& work);

/// The same for the example's classifier: digits-v1, and all its layers trained on from there with
/// pictures of the field. `images`: the gzipped CSV. Some seconds. What LoadDigits returns as well.
Result<SnappedDigits> MeasureSnappedDigits(const std::string& images, const std::string& sluice,
                                           const std::string& work);

}  // namespace sluice::bench
