// Keeps librsync from writing to stderr, which a daemon's operator reads and an application owns.
#pragma once

namespace sluice {

/// To be called before any librsync job. Idempotent and thread-safe; librsync's trace sink is one
/// per process.
void SilenceLibrsync();

}  // namespace sluice
