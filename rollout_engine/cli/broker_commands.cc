#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "common/contract/limits.h"
#include "rollout_engine/cli/broker_files.h"
#include "rollout_engine/cli/commands.h"
#include "rollout_engine/registry/file_io.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kConfigBytesMax = std::uint64_t{1} << 20;

struct BrokerOptions {
  BrokerSetup setup;
  bool no_listener = false;
  bool dry_run = false;
};

/// mosquitto.conf and what it includes by Debian's convention, conf.d.
Result<ExistingBroker> ReadExisting(const std::string& prefix) {
  std::vector<std::string> files = {prefix + "/mosquitto/mosquitto.conf"};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(prefix + "/mosquitto/conf.d", error)) {
    if (entry.path().extension() == ".conf") files.push_back(entry.path().string());
  }
  ExistingBroker broker;
  for (const std::string& file : files) {
    const auto bytes = ReadFile(file, kConfigBytesMax);
    if (!bytes && bytes.error().code == ErrorCode::kNotFound) continue;
    if (!bytes) return Fail(bytes.error());
    ReadBrokerConfig(AsText(*bytes), broker);
  }
  return broker;
}

Status WriteAllFiles(Session& session, const std::vector<PlacedFile>& files) {
  std::error_code error;
  for (const PlacedFile& file : files) {
    if (fs::exists(file.path, error))
      return Fail(ErrorCode::kConflict, file.path + " is there; it is never overwritten");
  }
  for (const PlacedFile& file : files) {
    fs::create_directories(fs::path(file.path).parent_path(), error);
    SLUICE_TRY(WriteFile(file.path, AsBytes(file.text)));
    // Mosquitto reads them after it has given root up.
    fs::permissions(file.path,
                    fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read |
                        fs::perms::others_read,
                    error);
    session.out << file.path << "\n";
  }
  session.err << "next: systemctl daemon-reload && systemctl restart mosquitto\n";
  return {};
}

Status Init(Session& session, const BrokerOptions& options) {
  BrokerSetup setup = options.setup;
  if (options.no_listener) {
    setup.security = BrokerSecurity::kNone;
  } else if (!setup.psk_file.empty()) {
    setup.security = BrokerSecurity::kPsk;
  }
  std::error_code error;
  if (setup.plugin_file.empty()) {
    setup.plugin_file =
        (fs::canonical("/proc/self/exe", error).parent_path() / "sluice_plugin.so").string();
  }
  if (!fs::exists(setup.plugin_file, error)) {
    return Fail(ErrorCode::kNotFound, setup.plugin_file + ": say where it is with --plugin");
  }
  SLUICE_ASSIGN(const ExistingBroker existing, ReadExisting(setup.prefix));
  SLUICE_ASSIGN(const std::vector<PlacedFile> files, BrokerFiles(setup, existing));
  if (!options.dry_run) return WriteAllFiles(session, files);
  for (const PlacedFile& file : files)
    session.out << "==> " << file.path << " <==\n" << file.text << "\n";
  return {};
}

}  // namespace

void AddBrokerCommands(CLI::App& app, Session& session) {
  CLI::App* noun = app.add_subcommand("broker", "the broker that carries everything");
  noun->require_subcommand(1);
  auto options = std::make_shared<BrokerOptions>();
  BrokerSetup& setup = options->setup;

  CLI::App* init = noun->add_subcommand(
      "init", "add Sluice to the Mosquitto of this machine: plugin, guard and a TLS listener");
  init->add_option("--prefix", setup.prefix, "where mosquitto/ is")->capture_default_str();
  init->add_option("--server", setup.server, "this broker's name in topics")->capture_default_str();
  init->add_option("--port", setup.port, "of the TLS listener")
      ->capture_default_str()
      ->check(CLI::Range(1, 65'535));
  init->add_option("--ca", setup.ca_file, "PEM file of the authority that signs for devices");
  init->add_option("--cert", setup.cert_file, "PEM file of the broker's certificate");
  init->add_option("--key", setup.key_file, "PEM file of its key, readable by user mosquitto");
  init->add_option("--psk", setup.psk_file,
                   "file of pre-shared keys (lines NAME:HEX) instead of certificates");
  init->add_flag("--no-listener", options->no_listener, "use the listeners that are there");
  init->add_option("--plugin", setup.plugin_file, "sluice_plugin.so (beside this program)");
  init->add_option("--objects", setup.objects_folder, "the engine's objects folder")
      ->capture_default_str();
  init->add_option("--engine-user", setup.engine_user, "the engine's certificate or user name")
      ->capture_default_str();
  init->add_option("--operator", setup.operators, "who may read sluice/# and send commands");
  init->add_flag("--dry-run", options->dry_run, "print the files, write nothing");
  init->callback([&session, options] { session.Finish(Init(session, *options)); });
}

}  // namespace sluice
