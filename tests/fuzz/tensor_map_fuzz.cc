// Any bytes as two model files: the map keeps its promises, whatever the walkers made of them. The
// first two bytes say where the base ends and the artifact begins.
#include "common/base/check.h"
#include "rollout_engine/payload/tensor_map.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  if (size < 2) return 0;
  const ByteView files = ByteView(data, size).subspan(2);
  const std::size_t cut = std::min<std::size_t>(LoadLe<std::uint16_t>(data), files.size());
  const ByteView base = files.first(cut);
  const ByteView artifact = files.subspan(cut);

  std::uint64_t end = 0;
  for (const TensorExtent& extent : MapTensors(base, artifact)) {
    SLUICE_CHECK(extent.offset >= end && extent.length > 0);
    SLUICE_CHECK(extent.length % ElementWidth(extent.kind) == 0);
    SLUICE_CHECK(extent.length <= artifact.size() - extent.offset);
    SLUICE_CHECK(!extent.base_offset || (*extent.base_offset <= base.size() &&
                                         extent.length <= base.size() - *extent.base_offset));
    end = extent.offset + extent.length;
  }
  return 0;
}
