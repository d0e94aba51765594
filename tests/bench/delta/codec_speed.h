// How fast blocks of element differences are coded and decoded, beside the plain coder of
// plain_elem_coder.h on the same elements: one thread, in memory, no hashes.
#pragma once

#include "tests/bench/delta/delta_corpus.h"

namespace sluice::bench {

/// One model: all of its tensors that have an old one, in blocks of 64 KiB.
struct CodecSpeed {
  std::string name;
  std::uint64_t element_bytes = 0;
  std::uint64_t coded_bytes = 0, plain_bytes = 0;
  // CPU seconds, the least of three rounds.
  double encode_s = 0, decode_s = 0;
  double plain_encode_s = 0, plain_decode_s = 0;
};

/// A made row of each kind, then the pairs with 1 MiB or more of such tensors. E_INTERNAL where a
/// decoder does not give the elements back, E_IO.
Result<std::vector<CodecSpeed>> MeasureCodecSpeed(const std::vector<ModelPair>& pairs);

}  // namespace sluice::bench
