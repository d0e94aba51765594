// The librsync signature of one base: computed once, then matched against every artifact that may
// be built from it.
#pragma once

#include <memory>

#include "common/base/bytes.h"
#include "rollout_engine/payload/extent.h"

namespace sluice {

/// Not thread-safe, Match included: librsync counts in the signature while it matches.
class BaseSignature {
 public:
  /// REQUIRES: `base` is not empty and outlives the signature. Holds about 45 bytes for each 256 of
  /// the base.
  static Result<BaseSignature> Compute(ByteView base);

  BaseSignature(BaseSignature&&) noexcept;
  BaseSignature& operator=(BaseSignature&&) noexcept;
  ~BaseSignature();

  [[nodiscard]] ByteView base() const;
  [[nodiscard]] const Digest& base_sha256() const;

  /// The parts of `artifact` that occur anywhere in the base, byte for byte, and the rest; covers
  /// all of `artifact`.
  Result<ExtentList> Match(ByteView artifact) const;

 private:
  struct Impl;
  explicit BaseSignature(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
