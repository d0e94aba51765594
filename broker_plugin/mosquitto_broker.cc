#include "broker_plugin/mosquitto_broker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "broker_plugin/mosquitto_compat.h"

namespace sluice::plugin {
namespace {

constexpr std::size_t kLogLineMax = 900;  // the broker cuts lines at 1,000 bytes

int LevelNumber(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return MOSQ_LOG_INFO;
    case LogLevel::kWarning:
      return MOSQ_LOG_WARNING;
    case LogLevel::kError:
      break;
  }
  return MOSQ_LOG_ERR;
}

}  // namespace

BrokerBuffer MosquittoBroker::Allocate(std::size_t size_bytes) {
  auto* const data =
      static_cast<std::uint8_t*>(mosquitto_malloc(std::max<std::size_t>(size_bytes, 1)));
  if (data == nullptr) return {};
  return {data, size_bytes, &mosquitto_free};
}

bool MosquittoBroker::Publish(std::string_view topic, BrokerBuffer payload, int qos, bool retain) {
  const std::string name(topic);
  const auto size = static_cast<int>(payload.size_bytes());
  const int result = mosquitto_broker_publish(
      nullptr, name.c_str(), size, size > 0 ? payload.data() : nullptr, qos, retain, nullptr);
  if (result != MOSQ_ERR_SUCCESS) return false;  // the bytes are still ours
  if (size > 0) payload.Release();
  return true;
}

void MosquittoBroker::Kick(std::string_view username) {
  if (username.empty()) return;  // to the broker, no name is everybody without one
  mosquitto_kick_client_by_username(std::string(username).c_str(), true);
}

void MosquittoBroker::Log(LogLevel level, std::string_view line) {
  const auto size = static_cast<int>(std::min(line.size(), kLogLineMax));
  mosquitto_log_printf(LevelNumber(level), "sluice: %.*s", size, line.data());
}

}  // namespace sluice::plugin
