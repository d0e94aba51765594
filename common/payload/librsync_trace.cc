#include "common/payload/librsync_trace.h"

#include <cstdint>
#include <cstdio>
// librsync.h needs both of the above before it.
#include <librsync.h>

namespace sluice {
namespace {

// What librsync would say is in the result code of the job, and that becomes our Error.
void Discard(rs_loglevel /*level*/, const char* /*message*/) {}

}  // namespace

void SilenceLibrsync() {
  [[maybe_unused]] static const bool silenced = [] {
    rs_trace_to(&Discard);
    return true;
  }();
}

}  // namespace sluice
