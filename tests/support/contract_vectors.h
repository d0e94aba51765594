// The golden vectors of schemas/vectors: bytes, what they are read as, and the answer they must
// get.
#pragma once

#include <string>
#include <vector>

#include "tests/support/contract_samples.h"

namespace sluice::test_support {

/// The reader that a vector is for.
enum class VectorReader {
  kHello,
  kReport,
  kTelemetry,
  kFetchRequest,
  kChunk,
  kInstalledRoot,  // Trust::FromInstalledRoot
  kNextRoot,  // WithNextRoot of good/root_1.bin; the signed types below are opened under it too
  kManifest,
  kRevocations,
  kDirective,
  kOrder,
  kFreshness,
  kAnswer,
};
inline constexpr int kVectorReaderCount = 13;
std::string_view VectorReaderName(VectorReader reader);

struct ContractVector {
  std::string file;  // "good/hello.bin"
  VectorReader reader;
  ErrorCode expected = ErrorCode::kOk;
  Bytes bytes;
};

/// good/root_1.bin.
Bytes SampleRootEnvelope(const SampleKeys& keys);

std::vector<ContractVector> MakeContractVectors();

/// The text of index.txt: "file reader code" a line.
std::string IndexOf(const std::vector<ContractVector>& vectors);

}  // namespace sluice::test_support
