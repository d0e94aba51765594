// Any text as a topic: refused, or building what was parsed gives the same text, free of wildcards
// and NUL.
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/contract/limits.h"
#include "common/contract/topics.h"

namespace sluice {
namespace {

void CheckDevice(std::string_view device) {
  SLUICE_CHECK(!device.empty() && device.size() <= limits::kTopicLevelMax);
  SLUICE_CHECK(device.find_first_of(std::string_view("+#/$.\0", 6)) == std::string_view::npos);
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const std::string_view text = AsText({data, size});
  int planes = 0;
  if (const auto topic = ParseUpTopic(text)) {
    ++planes;
    CheckDevice(topic->device);
    SLUICE_CHECK(topic->partition >= 0 && topic->partition < limits::kPartitions);
    SLUICE_CHECK(BuildTopic(*topic) == text);
  }
  if (const auto topic = ParseDownTopic(text)) {
    ++planes;
    CheckDevice(topic->device);
    SLUICE_CHECK(BuildTopic(*topic) == text);
  }
  if (const auto kind = ParseAllTopic(text)) {
    ++planes;
    SLUICE_CHECK(BuildTopic(*kind) == text);
  }
  SLUICE_CHECK(planes <= 1);
  // An identity is a level and so fits into a topic; a registry id with a dot must not.
  if (IsTopicLevel(text)) {
    CheckDevice(text);
    SLUICE_CHECK(IsRegistryId(text));
    const UpTopic topic{7, std::string(text), UpKind::kReport};
    SLUICE_CHECK(ParseUpTopic(BuildTopic(topic)) == topic);
  }
  if (IsRegistryId(text)) {
    SLUICE_CHECK(text.find('/') == std::string_view::npos && !text.starts_with('.'));
  }
  return 0;
}
