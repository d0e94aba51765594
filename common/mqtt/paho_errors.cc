#include "common/mqtt/paho_errors.h"

#include <MQTTAsync.h>

#include <array>

namespace sluice {
namespace {

// By CONNACK return code; 0 is success.
constexpr std::array kConnackTexts = {"",
                                      "it does not speak MQTT 3.1.1",
                                      "it does not accept the client id",
                                      "it is unavailable",
                                      "wrong user name or password",
                                      "not authorized"};

/// What a failed TLS connection may be put down to: Paho does not say which.
std::string TlsCauses(const PahoOptions& options) {
  const std::string trusted =
      options.tls.ca_path.empty() ? "the system's authorities" : options.tls.ca_path;
  return "; if the broker runs, its certificate has expired, is of none of " + trusted +
         " or for another host name, or it wants a certificate of ours";
}

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
  if (code > 0 && code < static_cast<int>(kConnackTexts.size())) {
    return {ErrorCode::kBrokerRefused, options.broker_url + " refused the connection: " +
                                           kConnackTexts[static_cast<std::size_t>(code)] + " (" +
                                           std::to_string(code) + ")"};
  }
  const bool is_tls = options.broker_url.starts_with("ssl://");
  return {ErrorCode::kNotConnected,
          options.broker_url + ": " + detail + (is_tls ? TlsCauses(options) : "")};
}

}  // namespace sluice
