// The plugin's configuration: a file of `key value` lines and the plugin_opt_ lines of
// mosquitto.conf, which win.
//
//   # one setting a line, '#' begins a comment
//   server         hall-3          names the topics sluice/v1/server/hall-3/...
//   engine_users   sluice-engine   user names, blank between them; a key may come again for more
//   operator_users alice bob       may read sluice/#, write commands and triggers
//   admin_users    carol           operators who may also use $CONTROL/sluice/v1
//   device_prefix  cam-            who is a device: names that begin so, or are listed in
//   device_users   gate-1 gate-2   device_users; with neither, everybody else with a valid identity
//   client_id_is_username on       off: a device's client id may differ from its user name
//   foreign_topics defer           allow: for a broker that has no ACL of its own
//   acl            on              off: for a broker that shall have no ACL at all
//   basic_auth     on              off: for a broker that checks no passwords
//   messages_per_s 20     messages_burst 100     up_bytes_per_s 262144     fetches_per_s 200
//   malformed_max  10     quarantine_s   3600
//   serving        on     objects_dir    /var/lib/sluice/objects
//   turn_bytes     262144 bytes_per_s    0       device_bytes_per_s 0     max_queued_messages 100
//
// An unknown key, a second value for a key that takes one, and a value out of range are errors:
// what is misspelt must not be a limit that silently does not hold.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker_plugin/limits.h"
#include "common/base/result.h"

namespace sluice::plugin {

using NameSet = std::set<std::string, std::less<>>;

struct RateLimits {
  std::uint32_t messages_per_s = limits::kMessagesPerS;
  std::uint32_t messages_burst = limits::kMessagesBurst;
  std::uint32_t up_bytes_per_s = limits::kUpBytesPerS;
  std::uint32_t fetches_per_s = limits::kFetchesPerS;
  std::uint32_t malformed_max = limits::kMalformedMax;  // in a minute
  std::uint32_t quarantine_s = limits::kQuarantineS;
  friend bool operator==(const RateLimits&, const RateLimits&) = default;
};

struct ServingConfig {
  bool on = false;
  std::string objects_dir;  // content-addressed files
  std::uint32_t turn_bytes = limits::kTurnBytes;
  std::uint64_t bytes_per_s = 0;                                // 0 = no limit
  std::uint64_t device_bytes_per_s = 0;                         // 0 = no limit
  std::uint32_t max_queued_messages = limits::kQueuedMessages;  // as in mosquitto.conf
  friend bool operator==(const ServingConfig&, const ServingConfig&) = default;
};

struct PluginConfig {
  std::string server = "broker";
  NameSet engine_users, operator_users, admin_users;
  NameSet device_users;
  std::vector<std::string> device_prefixes;
  bool client_id_is_username = true;
  bool allow_foreign_topics = false;
  bool acl = true;         // read once, when the broker starts
  bool basic_auth = true;  // read once, when the broker starts
  RateLimits rates;
  ServingConfig serving;
  friend bool operator==(const PluginConfig&, const PluginConfig&) = default;
};

/// Keys and values of plugin_opt_ lines, without the prefix, in their order.
using PluginOptions = std::vector<std::pair<std::string, std::string>>;

/// `text` with `options` over it: an option replaces all that the file says for its key. Errors
/// begin with "line N:" or "plugin_opt_KEY:". E_CONFIG_UNKNOWN_KEY, E_CFG_RANGE, E_CFG_INCOMPLETE,
/// E_CONFLICT (a key twice, a name in two roles), E_USAGE (not `key value`), E_TOO_BIG.
Result<PluginConfig> ParsePluginConfig(std::string_view text, const PluginOptions& options);

/// Reads the file that the option `config` names, or nothing without one, and parses it.
/// E_IO, E_TOO_BIG, and as above.
Result<PluginConfig> LoadPluginConfig(const PluginOptions& options);

/// What must hold although the configuration is bad, so that the rest of the broker goes on: the
/// defaults, with `acl`, `basic_auth` and `foreign_topics` wherever these can be made out.
PluginConfig ClosedPluginConfig(const PluginOptions& options) noexcept;

}  // namespace sluice::plugin
