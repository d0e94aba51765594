// Any bytes as an envelope: refused, or writing what was read gives the same bytes.
#include "common/base/check.h"
#include "common/contract/envelope.h"
#include "common/contract/limits.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const ByteView bytes(data, size);
  const Result<Envelope> envelope = ParseEnvelope(bytes);
  if (!envelope) {
    SLUICE_CHECK(envelope.error().code == ErrorCode::kEnvFormat ||
                 envelope.error().code == ErrorCode::kTooBig);
    return 0;
  }
  SLUICE_CHECK(size <= EnvelopeBytesMax(envelope->type));
  SLUICE_CHECK(envelope->signatures.size() <= limits::kSignaturesMax);
  const Bytes again = BuildEnvelope(*envelope);
  SLUICE_CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
  return 0;
}
