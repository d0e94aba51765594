// Every difference between the Mosquitto versions that load this plugin, in one place.
//
// Built against 2.0.11, loaded by 2.0 and 2.1: the structs of the events used here are laid out
// alike, newer functions are looked up when the plugin is loaded, and what a version does not know
// it says so.
#pragma once

#include <dlfcn.h>
#include <mosquitto.h>         // the error and log numbers
#include <mosquitto_broker.h>  // before mosquitto_plugin.h, which needs its types
#include <mosquitto_plugin.h>

namespace sluice::plugin::compat {

inline constexpr int kPluginVersion = 5;

// A turn of 2.1's loop may sleep for a day; 2.0 never looks at the field.
inline constexpr long kNextTickMs = 100;

/// Asks for the next TICK in at most kNextTickMs. 2.1 reads milliseconds where 2.0 has `next_ns`.
inline void AskForNextTick(mosquitto_evt_tick& tick) { tick.next_ns = kNextTickMs; }

/// Tells the broker the plugin's name and version, where it wants to know (2.1).
inline void SetInfo(mosquitto_plugin_id_t* id, const char* name, const char* version) {
  using Function = int (*)(mosquitto_plugin_id_t*, const char*, const char*);
  const auto set_info =
      reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, "mosquitto_plugin_set_info"));
  if (set_info != nullptr) set_info(id, name, version);
}

enum class Registration { kDone, kNotSupported, kFailed };

/// Events that a version does not know are no failure (2.0.11 answers NOT_SUPPORTED).
inline Registration Register(mosquitto_plugin_id_t* id, int event,
                             MOSQ_FUNC_generic_callback callback, const void* event_data,
                             void* userdata) {
  switch (mosquitto_callback_register(id, event, callback, event_data, userdata)) {
    case MOSQ_ERR_SUCCESS:
      return Registration::kDone;
    case MOSQ_ERR_NOT_SUPPORTED:
      return Registration::kNotSupported;
    default:
      return Registration::kFailed;
  }
}

}  // namespace sluice::plugin::compat
