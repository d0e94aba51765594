#include "common/mqtt/paho_settings.h"

#include <unistd.h>

#include <string>
#include <utility>

#include "common/mqtt/publish_window.h"

namespace sluice {

Status CheckPahoOptions(const PahoOptions& options) {
  const std::string& url = options.broker_url;
  if (!url.starts_with("tcp://") && !url.starts_with("ssl://")) {
    return Fail(ErrorCode::kUsage,
                "broker URL '" + url + "': write tcp://host:port or ssl://host:port");
  }
  if (options.client_id.empty()) return Fail(ErrorCode::kUsage, "the MQTT client id is empty");
  if (options.keepalive.count() < 0 || options.keepalive.count() > 65'535) {
    return Fail(ErrorCode::kUsage, "keepalive of " + std::to_string(options.keepalive.count()) +
                                       " s: 0 to 65535 are possible");
  }
  if (options.connect_timeout.count() < 1) {
    return Fail(ErrorCode::kUsage, "the connect timeout must be at least 1 s");
  }
  for (const std::string& path :
       {options.tls.ca_path, options.tls.certificate_path, options.tls.key_path}) {
    if (!path.empty() && access(path.c_str(), R_OK) != 0) {
      return Fail(ErrorCode::kUsage, "TLS file " + path + " cannot be read");
    }
  }
  return {};
}

void SetConnectOptions(const PahoOptions& options, const Will& will,
                       mqtt::connect_options& connect) {
  connect.set_mqtt_version(MQTTVERSION_3_1_1);
  connect.set_clean_session(true);
  connect.set_automatic_reconnect(false);
  connect.set_keep_alive_interval(options.keepalive);
  connect.set_connect_timeout(options.connect_timeout);
  connect.set_max_inflight(static_cast<int>(kOutstandingMessagesMax));
  if (!options.username.empty()) {
    connect.set_user_name(options.username);
    connect.set_password(mqtt::binary_ref(options.password));
  }
  if (!will.topic.empty()) {
    connect.set_will_message(mqtt::message(will.topic, will.payload.data(), will.payload.size(),
                                           static_cast<int>(will.qos), will.retain));
  }
  if (!options.broker_url.starts_with("ssl://")) return;
  // No error handler: Paho calls it through a copy of these options that is gone by then.
  mqtt::ssl_options ssl;
  if (!options.tls.ca_path.empty()) ssl.set_trust_store(options.tls.ca_path);
  if (!options.tls.certificate_path.empty()) {
    ssl.set_key_store(options.tls.certificate_path);
    ssl.set_private_key(options.tls.key_path);
  }
  ssl.set_enable_server_cert_auth(true);
  ssl.set_verify(true);
  connect.set_ssl(std::move(ssl));
}

}  // namespace sluice
