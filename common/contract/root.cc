#include "common/contract/root.h"

#include "common/base/check.h"

namespace sluice {

std::string_view RoleName(Role role) noexcept {
  switch (role) {
    case Role::kRoot:
      return "root";
    case Role::kRelease:
      return "release";
    case Role::kDirector:
      return "director";
  }
  return "unknown";
}

Role RoleOf(PayloadType type) noexcept {
  switch (type) {
    case PayloadType::kManifest:
    case PayloadType::kRevocations:
      return Role::kRelease;
    case PayloadType::kDirective:
    case PayloadType::kOrder:
    case PayloadType::kFreshness:
    case PayloadType::kAnswer:
      return Role::kDirector;
    case PayloadType::kRoot:
      break;
  }
  return Role::kRoot;  // the strongest role also for a value that is no type
}

const RoleKeys& Root::KeysOf(Role role) const {
  switch (role) {
    case Role::kRelease:
      return release;
    case Role::kDirector:
      return director;
    case Role::kRoot:
      break;
  }
  SLUICE_CHECK(role == Role::kRoot);
  return root;
}

}  // namespace sluice
