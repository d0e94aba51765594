// ReleaseManifest: the publisher's signed description of one artifact for some hardware.
#pragma once

#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace sluice {

/// What the device itself enforces in trial; a Directive may only tighten them. 0 = not limited.
struct HealthLimits {
  double error_rate_max = 0;      // errors / inferences, 0..1
  double latency_p99_max_ms = 0;  // 99th percentile of one inference
  double accuracy_drop_max = 0;   // paired validation: (correct_base - correct_new) / n, 0..1
  friend bool operator==(const HealthLimits&, const HealthLimits&) = default;
};

struct ValidationSpec {
  Digest sha256;  // zero = no set: smoke load only
  std::uint64_t size_bytes = 0;
  double accuracy_expected = 0;      // of this artifact on the set, 0..1
  double accuracy_tolerance = 0.01;  // a device below expected - tolerance computes something else
  friend bool operator==(const ValidationSpec&, const ValidationSpec&) = default;
};

struct ReleaseManifest {
  std::string fleet_id;
  std::string model;
  std::string release;
  std::uint64_t release_seq = 0;      // rises with every release of the model
  std::uint32_t security_epoch = 0;   // installable iff >= the device's floor
  std::uint32_t floor_epoch = 0;      // the floor after this release is confirmed
  std::vector<std::string> hardware;  // 1..32 names
  std::string runtime_abi;            // must equal the device's, "" = any
  std::string min_agent;              // "1.2.3", "" = any
  std::string format;                 // "safetensors", "onnx", ...
  std::uint64_t artifact_size = 0;
  Digest artifact_sha256;
  Digest block_root;  // SHA-256 over the list of SHA-256s of the 64 KiB blocks
  ValidationSpec validation;
  HealthLimits limits;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;  // gates new installs only
  friend bool operator==(const ReleaseManifest&, const ReleaseManifest&) = default;
};

}  // namespace sluice
