#include "common/contract/directive.h"

namespace sluice {

std::string_view DirectiveActionName(DirectiveAction action) noexcept {
  switch (action) {
    case DirectiveAction::kInstall:
      return "install";
    case DirectiveAction::kRevert:
      return "revert";
    case DirectiveAction::kHold:
      return "hold";
  }
  return "unknown";
}

std::string_view OrderActionName(OrderAction action) noexcept {
  switch (action) {
    case OrderAction::kHold:
      return "hold";
    case OrderAction::kAbort:
      return "abort";
    case OrderAction::kRollBack:
      return "roll_back";
  }
  return "unknown";
}

}  // namespace sluice
