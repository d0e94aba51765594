// Root and RevocationList: who may sign what, and what is no longer trusted.
#pragma once

#include <string>
#include <vector>

#include "common/contract/envelope.h"

namespace sluice {

enum class Role : std::uint8_t { kRoot = 0, kRelease = 1, kDirector = 2 };
inline constexpr int kRoleCount = 3;
std::string_view RoleName(Role role) noexcept;
/// The role whose threshold an envelope of that type must meet.
Role RoleOf(PayloadType type) noexcept;

struct RoleKeys {
  std::vector<PublicKey> keys;  // 1..16, distinct
  std::uint8_t threshold = 1;   // 1..keys.size()
  friend bool operator==(const RoleKeys&, const RoleKeys&) = default;
};

struct ModelFloor {
  std::string model;
  std::uint32_t floor_epoch = 0;
  friend bool operator==(const ModelFloor&, const ModelFloor&) = default;
};

/// Signed by the root role. Version N+1 replaces N only when signed by the thresholds of both.
struct Root {
  std::string fleet_id;
  std::uint32_t version = 1;
  RoleKeys root, release, director;
  std::vector<ModelFloor> lowered_floors;  // the only thing that may lower a device's floor
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;

  [[nodiscard]] const RoleKeys& KeysOf(Role role) const;
  friend bool operator==(const Root&, const Root&) = default;
};

struct Revocation {
  std::string model;
  std::uint32_t min_epoch = 0;    // floors rise to it
  std::vector<Digest> artifacts;  // never activated again
  friend bool operator==(const Revocation&, const Revocation&) = default;
};

/// Signed by the release role; counts only when a Freshness or Answer names its digest.
struct RevocationList {
  std::string fleet_id;
  std::uint32_t version = 0;
  std::vector<Revocation> entries;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  friend bool operator==(const RevocationList&, const RevocationList&) = default;
};

}  // namespace sluice
