#include "broker_plugin/message_check.h"

#include <utility>

#include "common/contract/codec.h"

namespace sluice::plugin {
namespace {

template <class T>
Result<CheckedMessage> Check(ByteView payload) {
  SLUICE_TRY(Decode<T>(payload));
  return CheckedMessage{};
}

}  // namespace

Result<CheckedMessage> CheckDeviceMessage(UpKind kind, ByteView payload) {
  switch (kind) {
    case UpKind::kHello:
      return Check<Hello>(payload);
    case UpKind::kReport:
      return Check<Report>(payload);
    case UpKind::kTelemetry:
      return Check<Telemetry>(payload);
    case UpKind::kFetch: {
      SLUICE_ASSIGN(FetchRequest request, Decode<FetchRequest>(payload));
      return CheckedMessage{std::move(request)};
    }
    case UpKind::kPresence:
      break;
  }
  const std::string_view text = AsText(payload);
  if (text == "online" || text == "offline") return CheckedMessage{};
  return Fail(ErrorCode::kFbRange, "presence is neither 'online' nor 'offline'");
}

}  // namespace sluice::plugin
