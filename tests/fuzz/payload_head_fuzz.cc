// Any bytes as a payload's head: refused, or a head whose bytes are exactly these.
#include "common/base/check.h"
#include "common/payload/container.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const ByteView bytes(data, size);
  const auto head = ParseHead(bytes);
  if (!head) return 0;
  const Bytes again = BuildHead(*head);
  SLUICE_CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
  SLUICE_CHECK(HeadSizeOf(bytes) == size);
  std::uint64_t out_size = 0;
  for (std::size_t i = 0; i < head->rows.size(); ++i) out_size += head->OutLength(i);
  SLUICE_CHECK(out_size == head->out_size);
  return 0;
}
