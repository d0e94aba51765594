#include "common/mqtt/paho_errors.h"

#include <MQTTAsync.h>

#include <array>
#include <optional>
#include <utility>

#include "common/mqtt/tls_probe.h"

namespace sluice {
namespace {

// By CONNACK return code; 0 is success.
constexpr std::array kConnackTexts = {"",
                                      "it does not speak MQTT 3.1.1",
                                      "it does not accept the client id",
                                      "it is unavailable",
                                      "wrong user name or password",
                                      "not authorized"};

bool IsConnackCode(int code) { return code > 0 && code < static_cast<int>(kConnackTexts.size()); }

}  // namespace

Error PublishError(const mqtt::exception& error) {
  const int code = error.get_return_code();
  if (code == MQTTASYNC_MAX_BUFFERED_MESSAGES || code == MQTTASYNC_NO_MORE_MSGIDS) {
    return {ErrorCode::kBackpressure, "the MQTT client's buffer is full; publish again later"};
  }
  if (code == MQTTASYNC_DISCONNECTED) {
    return {ErrorCode::kNotConnected, "the broker connection was just lost"};
  }
  return {ErrorCode::kIo, "publish failed: " + error.to_string()};
}

Error ConnectError(const PahoOptions& options, int code, const std::string& detail) {
  if (IsConnackCode(code)) {
    return {ErrorCode::kBrokerRefused, options.broker_url + " refused the connection: " +
                                           kConnackTexts[static_cast<std::size_t>(code)] + " (" +
                                           std::to_string(code) + ")"};
  }
  const bool is_tls = options.broker_url.starts_with("ssl://");
  if (is_tls) {
    if (std::optional<Error> why = ProbeTls(options)) return *std::move(why);
  }
  return {ErrorCode::kNotConnected, options.broker_url + ": " + detail +
                                        (is_tls ? "; is the broker there, and with TLS?" : "")};
}

}  // namespace sluice
