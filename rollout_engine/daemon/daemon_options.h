// What `sluiced` is started with: flags, or the same names in a file given by --config.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sluice {

struct DaemonOptions {
  std::string data_folder;
  std::string broker_url;
  std::string fleet_id;
  std::string director_key_path;
  std::vector<std::string> root_paths;  // the chain, oldest first
  std::string socket_path;              // "" = DATA/sluiced.sock
  std::string rules_path;               // "" = no rules
  std::string engine_id = "engine";
  std::string broker_username;
  std::string broker_password_path;  // a file, so that no process list shows it
  std::string tls_ca_path;
  std::string tls_certificate_path;
  std::string tls_key_path;
  std::string log_level = "info";
};

/// The options, or the exit code to end with: help, the version or a usage error have been printed.
struct ParsedOptions {
  std::optional<DaemonOptions> options;
  int exit_code = 0;
};
ParsedOptions ParseDaemonOptions(int argc, char** argv);

}  // namespace sluice
