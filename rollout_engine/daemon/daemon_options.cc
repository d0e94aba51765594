#include "rollout_engine/daemon/daemon_options.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "common/base/result.h"

namespace sluice {
namespace {

constexpr int kExitUsage = 2;

}  // namespace

ParsedOptions ParseDaemonOptions(int argc, char** argv) {
  DaemonOptions options;
  CLI::App app{"sluiced: rolls model releases out to a fleet of devices over their MQTT broker"};
  app.set_version_flag("--version", SLUICE_VERSION);
  app.set_config("--config", "", "read options from this file (name=value per line)");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.add_option("--data", options.data_folder,
                 "folder of the store and the objects; made if it is not there")
      ->required();
  app.add_option("--broker", options.broker_url, "tcp://HOST:PORT or ssl://HOST:PORT")->required();
  app.add_option("--fleet", options.fleet_id, "the fleet that the root must be for")->required();
  app.add_option("--director-key", options.director_key_path,
                 "private key that signs for this engine")
      ->required();
  app.add_option("--root", options.root_paths, "the fleet's root envelopes, oldest first")
      ->required();
  app.add_option("--socket", options.socket_path,
                 "where the HTTP API listens (default: DATA/sluiced.sock)");
  app.add_option("--rules", options.rules_path,
                 "rule file; read again on SIGHUP and by 'sluice rules reload'");
  app.add_option("--id", options.engine_id, "name of this engine in topics")->capture_default_str();
  app.add_option("--broker-user", options.broker_username, "MQTT user name");
  app.add_option("--broker-password-file", options.broker_password_path,
                 "file whose first line is the password");
  app.add_option("--tls-ca", options.tls_ca_path,
                 "PEM file of the authorities to trust (default: the system's)");
  app.add_option("--tls-cert", options.tls_certificate_path, "PEM file of the client certificate");
  app.add_option("--tls-key", options.tls_key_path, "PEM file of its key");
  app.add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->capture_default_str()
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return {std::nullopt, app.exit(error)};
    std::cerr << Error{ErrorCode::kUsage, error.what()}.Line() << "; see 'sluiced --help'\n";
    return {std::nullopt, kExitUsage};
  }
  if (options.socket_path.empty()) options.socket_path = options.data_folder + "/sluiced.sock";
  return {std::move(options), 0};
}

}  // namespace sluice
