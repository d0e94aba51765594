// The C ABI of the plugin: the three functions that Mosquitto looks for and the callbacks it
// calls. Nothing is decided here; nothing is thrown across.
#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "broker_plugin/mosquitto_broker.h"
#include "broker_plugin/mosquitto_compat.h"
#include "broker_plugin/object_service.h"
#include "broker_plugin/plugin_instance.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "0"
#endif

using sluice::ByteView;
using sluice::plugin::Access;
using sluice::plugin::AclRequest;
using sluice::plugin::Client;
using sluice::plugin::InboundMessage;
using sluice::plugin::LogLevel;
using sluice::plugin::MosquittoBroker;
using sluice::plugin::PluginInstance;
using sluice::plugin::Verdict;
namespace compat = sluice::plugin::compat;

namespace {

constexpr const char* kControlTopic = "$CONTROL/sluice/v1";

struct Registered {
  int event;
  MOSQ_FUNC_generic_callback callback;
  const char* event_data;
};

/// The user data of every callback.
struct Loaded {
  mosquitto_plugin_id_t* id = nullptr;
  MosquittoBroker broker;
  sluice::SystemClock clock;
  std::unique_ptr<PluginInstance> instance;
  std::vector<Registered> registered;
};

// A second `plugin` line loads the same code again, whose callbacks the broker cannot tell apart.
std::atomic<bool> is_loaded{false};

std::string_view Text(const char* text) { return text != nullptr ? text : std::string_view{}; }

/// Of most of a broker's traffic, by the first letter alone.
bool IsSurelyForeign(const char* topic) {
  return topic == nullptr || sluice::plugin::IsSurelyForeign({topic, *topic == '\0' ? 0U : 1U});
}

Client ClientOf(const mosquitto* client) {
  if (client == nullptr) return {};
  return {client, Text(mosquitto_client_username(client)), Text(mosquitto_client_id(client))};
}

ByteView Payload(const void* payload, std::uint32_t size_bytes) {
  if (payload == nullptr) return {};
  return {static_cast<const std::uint8_t*>(payload), size_bytes};
}

int AclCode(Verdict verdict) {
  if (verdict == Verdict::kAllow) return MOSQ_ERR_SUCCESS;
  return verdict == Verdict::kDefer ? MOSQ_ERR_PLUGIN_DEFER : MOSQ_ERR_ACL_DENIED;
}

int MessageCode(Verdict verdict) {
  if (verdict == Verdict::kRoute) return MOSQ_ERR_SUCCESS;
  // Any error but ACL_DENIED ends the connection before a PUBACK; this one reads right in the log.
  return verdict == Verdict::kRefuse ? MOSQ_ERR_ADMINISTRATIVE_ACTION : MOSQ_ERR_ACL_DENIED;
}

/// `call(instance)`; after anything thrown out of it, which Contain has not caught, `otherwise`.
template <class Call>
int Guarded(void* userdata, int otherwise, Call&& call) noexcept {
  auto* const loaded = static_cast<Loaded*>(userdata);
  if (loaded == nullptr || loaded->instance == nullptr) return otherwise;
  try {
    return call(*loaded->instance);
  } catch (...) {
    loaded->instance->Fault("a callback threw");
    return otherwise;
  }
}

int OnAclCheck(int /*event*/, void* data, void* userdata) noexcept {
  const auto& check = *static_cast<const mosquitto_evt_acl_check*>(data);
  AclRequest request;
  switch (check.access) {
    case MOSQ_ACL_READ:
      request.access = Access::kRead;
      break;
    case MOSQ_ACL_WRITE:
      request.access = Access::kWrite;
      break;
    case MOSQ_ACL_SUBSCRIBE:
      request.access = Access::kSubscribe;
      break;
    case MOSQ_ACL_UNSUBSCRIBE:
      request.access = Access::kUnsubscribe;
      break;
    default:
      return MOSQ_ERR_PLUGIN_DEFER;
  }
  if (IsSurelyForeign(check.topic)) {
    return Guarded(userdata, MOSQ_ERR_ACL_DENIED, [&](PluginInstance& instance) {
      return AclCode(instance.OnForeignAclCheck(check.client, request.access));
    });
  }
  request.topic = Text(check.topic);
  request.payload = Payload(check.payload, check.payloadlen);
  request.qos = check.qos;
  request.retain = check.retain;
  return Guarded(userdata, MOSQ_ERR_ACL_DENIED, [&](PluginInstance& instance) {
    return AclCode(instance.OnAclCheck(ClientOf(check.client), request));
  });
}

int OnBasicAuth(int /*event*/, void* data, void* userdata) noexcept {
  const auto& auth = *static_cast<const mosquitto_evt_basic_auth*>(data);
  return Guarded(userdata, MOSQ_ERR_PLUGIN_DEFER, [&](PluginInstance& instance) {
    Client client = ClientOf(auth.client);
    client.username = Text(auth.username);
    return instance.OnBasicAuth(client) == Verdict::kDeny ? MOSQ_ERR_AUTH : MOSQ_ERR_PLUGIN_DEFER;
  });
}

int OnMessage(int /*event*/, void* data, void* userdata) noexcept {
  const auto& message = *static_cast<const mosquitto_evt_message*>(data);
  if (IsSurelyForeign(message.topic)) {
    return Guarded(userdata, MOSQ_ERR_SUCCESS, [](PluginInstance& instance) {
      instance.OnForeignMessage();
      return MOSQ_ERR_SUCCESS;
    });
  }
  const InboundMessage inbound{Text(message.topic), Payload(message.payload, message.payloadlen),
                               message.qos};
  return Guarded(userdata, MOSQ_ERR_ACL_DENIED, [&](PluginInstance& instance) {
    return MessageCode(instance.OnMessage(ClientOf(message.client), inbound));
  });
}

int OnDisconnect(int /*event*/, void* data, void* userdata) noexcept {
  const auto& gone = *static_cast<const mosquitto_evt_disconnect*>(data);
  return Guarded(userdata, MOSQ_ERR_SUCCESS, [&](PluginInstance& instance) {
    instance.OnDisconnect(ClientOf(gone.client));
    return MOSQ_ERR_SUCCESS;
  });
}

int OnControl(int /*event*/, void* data, void* userdata) noexcept {
  const auto& control = *static_cast<const mosquitto_evt_control*>(data);
  // Success whatever happened: an error would end the caller's connection.
  return Guarded(userdata, MOSQ_ERR_SUCCESS, [&](PluginInstance& instance) {
    instance.OnControl(ClientOf(control.client), Payload(control.payload, control.payloadlen));
    return MOSQ_ERR_SUCCESS;
  });
}

int OnTick(int /*event*/, void* data, void* userdata) noexcept {
  compat::AskForNextTick(*static_cast<mosquitto_evt_tick*>(data));
  return Guarded(userdata, MOSQ_ERR_SUCCESS, [](PluginInstance& instance) {
    instance.OnTick();
    return MOSQ_ERR_SUCCESS;
  });
}

int OnReload(int /*event*/, void* /*data*/, void* userdata) noexcept {
  // Any other answer keeps the plugins after this one, and the acl_file, from their reload.
  return Guarded(userdata, MOSQ_ERR_PLUGIN_DEFER, [](PluginInstance& instance) {
    instance.OnReload();
    return MOSQ_ERR_PLUGIN_DEFER;
  });
}

std::string BootId() {
  std::random_device random;
  std::string text;
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t bits = random();
    const std::uint8_t bytes[] = {static_cast<std::uint8_t>(bits),
                                  static_cast<std::uint8_t>(bits >> 8)};
    text += sluice::ToHex(bytes);
  }
  return text;
}

sluice::plugin::PluginOptions Options(const mosquitto_opt* options, int count) {
  sluice::plugin::PluginOptions read;
  for (int i = 0; i < count; ++i) {
    read.emplace_back(Text(options[i].key), Text(options[i].value));
  }
  return read;
}

sluice::Result<std::unique_ptr<sluice::plugin::ChunkService>> MakeObjectService(
    const sluice::plugin::ServingConfig& config, sluice::plugin::Broker& broker,
    const sluice::Clock& clock) {
  return std::make_unique<sluice::plugin::ObjectService>(config, broker, clock);
}

/// False when the broker would now run without a part of the guard.
bool RegisterAll(Loaded& loaded) {
  std::vector<Registered> wanted = {{MOSQ_EVT_MESSAGE, &OnMessage, nullptr},
                                    {MOSQ_EVT_TICK, &OnTick, nullptr},
                                    {MOSQ_EVT_DISCONNECT, &OnDisconnect, nullptr},
                                    {MOSQ_EVT_RELOAD, &OnReload, nullptr},
                                    {MOSQ_EVT_CONTROL, &OnControl, kControlTopic}};
  if (loaded.instance->wants_acl()) wanted.push_back({MOSQ_EVT_ACL_CHECK, &OnAclCheck, nullptr});
  if (loaded.instance->wants_basic_auth()) {
    wanted.push_back({MOSQ_EVT_BASIC_AUTH, &OnBasicAuth, nullptr});
  }
  for (const Registered& one : wanted) {
    const compat::Registration result =
        compat::Register(loaded.id, one.event, one.callback, one.event_data, &loaded);
    if (result == compat::Registration::kFailed) return false;
    if (result == compat::Registration::kDone) loaded.registered.push_back(one);
  }
  return true;
}

void UnregisterAll(Loaded& loaded) noexcept {
  for (const Registered& one : loaded.registered) {
    mosquitto_callback_unregister(loaded.id, one.event, one.callback, one.event_data);
  }
  loaded.registered.clear();
}

int Load(mosquitto_plugin_id_t* id, void** userdata, const mosquitto_opt* options, int count) {
  auto loaded = std::make_unique<Loaded>();
  loaded->id = id;
  compat::SetInfo(id, "sluice", SLUICE_VERSION);
  sluice::SetCheckHandler(&sluice::ThrowCheckFailure);
  loaded->instance = std::make_unique<PluginInstance>(
      loaded->broker, loaded->clock,
      sluice::plugin::InstanceOptions{Options(options, count), BootId(), SLUICE_VERSION,
                                      &MakeObjectService});
  if (!RegisterAll(*loaded)) {
    loaded->broker.Log(LogLevel::kError,
                       "the broker refused a callback; is $CONTROL/sluice/v1 taken?");
    UnregisterAll(*loaded);
    return MOSQ_ERR_UNKNOWN;
  }
  *userdata = loaded.release();
  return MOSQ_ERR_SUCCESS;
}

}  // namespace

#define SLUICE_EXPORT extern "C" __attribute__((visibility("default")))

SLUICE_EXPORT int mosquitto_plugin_version(int count, const int* versions) {
  for (int i = 0; i < count; ++i) {
    if (versions[i] == compat::kPluginVersion) return compat::kPluginVersion;
  }
  return -1;
}

SLUICE_EXPORT int mosquitto_plugin_init(mosquitto_plugin_id_t* id, void** userdata,
                                        mosquitto_opt* options, int count) {
  if (is_loaded.exchange(true)) {
    MosquittoBroker().Log(
        LogLevel::kError,
        "sluice_plugin.so is loaded twice; name it once in the configuration, and "
        "not with per_listener_settings");
    return MOSQ_ERR_ALREADY_EXISTS;
  }
  try {
    return Load(id, userdata, options, count);
  } catch (...) {
    // Only memory can be missing here, and a broker without its guard must not start.
    is_loaded = false;
    return MOSQ_ERR_NOMEM;
  }
}

SLUICE_EXPORT int mosquitto_plugin_cleanup(void* userdata, mosquitto_opt* /*options*/,
                                           int /*count*/) {
  auto* const loaded = static_cast<Loaded*>(userdata);
  if (loaded == nullptr) return MOSQ_ERR_SUCCESS;
  UnregisterAll(*loaded);
  delete loaded;
  is_loaded = false;
  return MOSQ_ERR_SUCCESS;
}
