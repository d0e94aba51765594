// Any text as a rollout file: refused on one line, or printing what was read gives a file that
// reads back equal.
#include "common/base/check.h"
#include "rollout_engine/config/rollout_yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const auto spec = ParseRolloutYaml(AsText({data, size}));
  if (!spec.has_value()) {
    SLUICE_CHECK(spec.error().text.find('\n') == std::string::npos);
    return 0;
  }
  SLUICE_CHECK(!spec->stages.empty() && spec->stages.back().target == kAllMilliPercent);
  SLUICE_CHECK(spec->rollback.health_check_interval_ms >= 5 * limits::kSecond);
  const auto again = ParseRolloutYaml(PrintRolloutYaml(*spec));
  SLUICE_CHECK(again.has_value());
  SLUICE_CHECK(*again == *spec);
  return 0;
}
