// Read by the purity test only: a "core" that looks at the clock must be refused.
#include <ctime>

namespace sluice {
long ImpureNow() { return static_cast<long>(time(nullptr)); }
}  // namespace sluice
