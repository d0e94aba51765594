#include "common/contract/hello.h"

namespace sluice {

std::string_view SlotStateName(SlotState state) noexcept {
  switch (state) {
    case SlotState::kEmpty:
      return "empty";
    case SlotState::kWriting:
      return "writing";
    case SlotState::kReady:
      return "ready";
    case SlotState::kGood:
      return "good";
    case SlotState::kBad:
      return "bad";
  }
  return "unknown";
}

std::string_view UpdateStateName(UpdateState state) noexcept {
  switch (state) {
    case UpdateState::kIdle:
      return "idle";
    case UpdateState::kChecking:
      return "checking";
    case UpdateState::kDownloading:
      return "downloading";
    case UpdateState::kVerifying:
      return "verifying";
    case UpdateState::kValidating:
      return "validating";
    case UpdateState::kReady:
      return "ready";
    case UpdateState::kActivating:
      return "activating";
    case UpdateState::kTrial:
      return "trial";
    case UpdateState::kReverting:
      return "reverting";
    case UpdateState::kFault:
      return "fault";
  }
  return "unknown";
}

std::string_view ReportStateName(ReportState state) noexcept {
  switch (state) {
    case ReportState::kDownloading:
      return "downloading";
    case ReportState::kDeferred:
      return "deferred";
    case ReportState::kReady:
      return "ready";
    case ReportState::kActivating:
      return "activating";
    case ReportState::kActivated:
      return "activated";
    case ReportState::kConfirmed:
      return "confirmed";
    case ReportState::kRejected:
      return "rejected";
    case ReportState::kFailed:
      return "failed";
    case ReportState::kReverted:
      return "reverted";
    case ReportState::kWithdrawn:
      return "withdrawn";
    case ReportState::kHolding:
      return "holding";
  }
  return "unknown";
}

bool IsTerminal(ReportState state) noexcept {
  switch (state) {
    case ReportState::kConfirmed:
    case ReportState::kRejected:
    case ReportState::kFailed:
    case ReportState::kReverted:
    case ReportState::kWithdrawn:
      return true;
    case ReportState::kDownloading:
    case ReportState::kDeferred:
    case ReportState::kReady:
    case ReportState::kActivating:
    case ReportState::kActivated:
    case ReportState::kHolding:
      return false;
  }
  return false;
}

}  // namespace sluice
