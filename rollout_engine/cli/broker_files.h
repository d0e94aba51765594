// The files that add Sluice to a Mosquitto: what each holds and where it belongs. Pure: nothing is
// read or written here.
//
// The topics and roles in them are those of schemas/topics.md; the keys of plugin.conf are those of
// broker_plugin/plugin_config.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice {

enum class BrokerSecurity : std::uint8_t { kCertificates, kPsk, kNone };

struct BrokerSetup {
  std::string prefix = "/etc";
  std::string server = "broker";  // one topic level
  BrokerSecurity security = BrokerSecurity::kCertificates;
  int port = 8883;
  std::string ca_file, cert_file, key_file;  // kCertificates
  std::string psk_file;                      // kPsk: lines NAME:HEX
  std::string plugin_file;
  std::string objects_folder = "/var/lib/sluice/objects";
  std::string engine_user = "sluice-engine";
  std::vector<std::string> operators;
};

/// What a Mosquitto's configuration says already, as far as it matters to us.
struct ExistingBroker {
  bool has_listeners = false;   // or allow_anonymous, password_file: somebody uses it
  bool has_acl = false;         // acl_file or a plugin that may answer for topics
  bool has_our_plugin = false;  // sluice_plugin.so
  bool per_listener_settings = false;
  int max_queued_messages = 1'000;  // Mosquitto's default
  [[nodiscard]] bool IsFresh() const { return !has_listeners && !has_acl; }
};

/// Adds what one configuration file says to `broker`.
void ReadBrokerConfig(std::string_view text, ExistingBroker& broker);

struct PlacedFile {
  std::string path;
  std::string text;
};

/// The files to write; a broker that is in use keeps its listeners, its ACL and its limits.
/// E_CONFLICT where the plugin cannot work (per_listener_settings) or is there already;
/// E_BAD_IDENTITY for names that are no topic level; E_USAGE for files that are not named.
Result<std::vector<PlacedFile>> BrokerFiles(const BrokerSetup& setup, const ExistingBroker& broker);

}  // namespace sluice
