#include "rollout_engine/cli/broker_files.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "common/contract/topics.h"

namespace sluice {
namespace {

constexpr int kOurQueuedMessages = 100;

std::string FolderOf(const BrokerSetup& setup) { return setup.prefix + "/mosquitto/sluice"; }

Status CheckNames(const BrokerSetup& setup) {
  SLUICE_TRY(CheckIdentity("server", setup.server));
  SLUICE_TRY(CheckIdentity("engine user", setup.engine_user));
  for (const std::string& name : setup.operators) SLUICE_TRY(CheckIdentity("operator", name));
  for (const std::string* path : {&setup.prefix, &setup.ca_file, &setup.cert_file, &setup.key_file,
                                  &setup.psk_file, &setup.plugin_file, &setup.objects_folder}) {
    if (std::any_of(path->begin(), path->end(), [](unsigned char c) { return c <= ' '; }))
      return Fail(ErrorCode::kUsage, "a path with blanks has no place in mosquitto.conf: " + *path);
  }
  const bool needs_certificates = setup.security == BrokerSecurity::kCertificates;
  if (needs_certificates &&
      (setup.ca_file.empty() || setup.cert_file.empty() || setup.key_file.empty())) {
    return Fail(ErrorCode::kUsage,
                "certificates need --ca, --cert and --key; or take --psk FILE or --no-listener");
  }
  return {};
}

std::string ListenerText(const BrokerSetup& setup) {
  if (setup.security == BrokerSecurity::kNone) return {};
  std::ostringstream text;
  text << "\n# Devices and the engine. The name in the certificate (or the key's) is the user name "
          "and the client id:\n# without the last line another certificate could take a session "
          "over.\n"
       << "listener " << setup.port << "\n";
  if (setup.security == BrokerSecurity::kPsk) {
    text << "psk_hint sluice\npsk_file " << setup.psk_file << "\n";
  } else {
    text << "cafile " << setup.ca_file << "\ncertfile " << setup.cert_file << "\nkeyfile "
         << setup.key_file << "\nrequire_certificate true\n";
  }
  text << "tls_version tlsv1.2\nuse_identity_as_username true\nuse_username_as_clientid true\n";
  return text.str();
}

std::string MosquittoText(const BrokerSetup& setup, const ExistingBroker& existing) {
  std::ostringstream text;
  text << "# Sluice. To take it out again: remove this file and " << FolderOf(setup)
       << ", restart mosquitto.\n\n"
       << "# Without it a chunk waits 40 ms for the acknowledgement of the one before.\n"
       << "set_tcp_nodelay true\n";
  if (existing.IsFresh()) {
    text << "allow_anonymous false\n"
         << "# A client that does not read costs at most so many messages of 64 KiB.\n"
         << "max_queued_messages " << kOurQueuedMessages << "\n"
         << "max_inflight_messages 20\nmessage_size_limit 131072\n"
         << "persistent_client_expiration 30d\n"
         << "# The same rules as the plugin's, for the day it is not loaded.\n"
         << "acl_file " << FolderOf(setup) << "/acl\n";
  }
  text << "\nplugin " << setup.plugin_file << "\nplugin_opt_config " << FolderOf(setup)
       << "/plugin.conf\n"
       << ListenerText(setup);
  return text.str();
}

std::string PluginText(const BrokerSetup& setup, const ExistingBroker& existing) {
  std::ostringstream text;
  text << "# The Sluice plugin; read again on SIGHUP.\n"
       << "server " << setup.server << "\n"
       << "engine_users " << setup.engine_user << "\n";
  if (!setup.operators.empty()) {
    text << "operator_users";
    for (const std::string& name : setup.operators) text << " " << name;
    text << "\n";
  }
  const bool others_decide = existing.IsFresh() || existing.has_acl;
  text << "# Topics that are not Sluice's: defer = an acl_file or another plugin decides, allow = "
          "as without any ACL.\n"
       << "foreign_topics " << (others_decide ? "defer" : "allow") << "\n";
  // A broker in use may have clients whose ids are not their user names.
  if (!existing.IsFresh()) text << "client_id_is_username off\nbasic_auth off\n";
  text << "serving on\nobjects_dir " << setup.objects_folder << "\n"
       << "max_queued_messages "
       << (existing.IsFresh() ? kOurQueuedMessages : existing.max_queued_messages) << "\n";
  return text.str();
}

std::string AclText(const BrokerSetup& setup) {
  std::ostringstream text;
  text << "# Each device its own topics; %u is its user name.\n";
  for (const char* kind : {"hello", "report", "telemetry", "presence", "fetch"})
    text << "pattern write sluice-dev/v1/up/+/%u/" << kind << "\n";
  for (const char* kind : {"directive", "chunk"})
    text << "pattern read sluice-dev/v1/down/%u/" << kind << "\n";
  for (const char* kind : {"root", "freshness", "order"})
    text << "pattern read sluice-dev/v1/all/" << kind << "\n";
  text << "\nuser " << setup.engine_user << "\n"
       << "topic read sluice-dev/v1/up/#\ntopic write sluice-dev/v1/down/#\n"
       << "topic readwrite sluice-dev/v1/all/#\ntopic readwrite sluice/#\n"
       << "topic write $CONTROL/sluice/v1\ntopic read $CONTROL/sluice/v1/response\n";
  for (const std::string& name : setup.operators) {
    text << "\nuser " << name << "\ntopic read sluice/#\n"
         << "topic write sluice/v1/rollout/+/cmd\ntopic write sluice/v1/device/+/cmd\n"
         << "topic write sluice/v1/trigger/#\n";
  }
  return text.str();
}

std::string ServiceText() {
  return "# A connection is a descriptor, and the unit of Debian allows 1,024.\n"
         "[Service]\n"
         "LimitNOFILE=65536\n";
}

}  // namespace

void ReadBrokerConfig(std::string_view text, ExistingBroker& broker) {
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key, value;
    words >> key >> value;
    if (key == "per_listener_settings") {
      broker.per_listener_settings = value == "true";
    } else if (key == "listener" || key == "port" || key == "allow_anonymous" ||
               key == "password_file" || key == "psk_file") {
      broker.has_listeners = true;
    } else if (key == "acl_file") {
      broker.has_acl = true;
    } else if (key == "plugin" || key == "auth_plugin") {
      const bool ours = value.ends_with("sluice_plugin.so");
      broker.has_our_plugin = broker.has_our_plugin || ours;
      broker.has_acl = broker.has_acl || !ours;
    } else if (key == "max_queued_messages") {
      std::from_chars(value.data(), value.data() + value.size(), broker.max_queued_messages);
    }
  }
}

Result<std::vector<PlacedFile>> BrokerFiles(const BrokerSetup& setup,
                                            const ExistingBroker& broker) {
  SLUICE_TRY(CheckNames(setup));
  ExistingBroker existing = broker;
  // Without any listener Mosquitto opens one on loopback to everybody, and somebody means to use
  // it.
  if (setup.security == BrokerSecurity::kNone) existing.has_listeners = true;
  if (existing.has_our_plugin) {
    return Fail(ErrorCode::kConflict,
                "this broker loads sluice_plugin.so already; take that out "
                "first, or edit its plugin.conf");
  }
  if (existing.per_listener_settings) {
    return Fail(ErrorCode::kConflict,
                "with per_listener_settings true Mosquitto never gives a plugin its turn; set it "
                "to false, or run without the plugin: the engine serves as well");
  }
  const std::string folder = FolderOf(setup);
  std::vector<PlacedFile> files = {
      {setup.prefix + "/mosquitto/conf.d/sluice.conf", MosquittoText(setup, existing)},
      {folder + "/plugin.conf", PluginText(setup, existing)}};
  if (existing.IsFresh()) files.push_back({folder + "/acl", AclText(setup)});
  files.push_back(
      {setup.prefix + "/systemd/system/mosquitto.service.d/sluice.conf", ServiceText()});
  return files;
}

}  // namespace sluice
