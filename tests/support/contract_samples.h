// One good value of every message with most fields set, and the keys of a small fleet. The same on
// every machine.
#pragma once

#include "common/contract/codec.h"
#include "common/crypto/keys.h"

namespace sluice::test_support {

inline constexpr std::int64_t kSampleNowMs = 1'767'225'600'000;  // 2026-01-01

/// 32 equal bytes: recognisable in a dump.
Digest SampleDigest(std::uint8_t byte);

/// Seeded keys: three of the root role (2 needed), one each for release and director, one that
/// nobody knows.
struct SampleKeys {
  SampleKeys();
  SigningKey root_a, root_b, root_c, release, director, stranger;
};

/// Version 1 under those keys.
Root SampleRoot(const SampleKeys& keys);

ReleaseManifest SampleManifest();
RevocationList SampleRevocations();
Directive SampleInstall();
Directive SampleRevert();
Directive SampleHold();
Order SampleOrder();
Freshness SampleFreshness();
Answer SampleAnswer();
Hello SampleHello();
Report SampleReport();
Telemetry SampleTelemetry();
FetchRequest SampleFetch();
Chunk SampleChunk();

}  // namespace sluice::test_support
