#include <CLI/CLI.hpp>
#include <filesystem>

#include "common/contract/limits.h"
#include "common/contract/topics.h"
#include "common/crypto/trust.h"
#include "rollout_engine/cli/commands.h"
#include "rollout_engine/cli/table.h"
#include "rollout_engine/registry/file_io.h"

namespace sluice {
namespace {

constexpr std::uint64_t kKeyFileBytesMax = 4'096;
constexpr double kRootLifeDays = 730;

struct RootOptions {
  std::string fleet;
  std::vector<std::string> root_keys, release_keys, director_keys;
  std::uint8_t root_threshold = 1, release_threshold = 1, director_threshold = 1;
  std::vector<std::string> sign_with;
  double life_days = kRootLifeDays;
  std::string file;
};

Result<RoleKeys> LoadRoleKeys(std::string_view role, const std::vector<std::string>& files,
                              std::uint8_t threshold) {
  RoleKeys keys;
  keys.threshold = threshold;
  if (threshold < 1 || threshold > files.size()) {
    return Fail(ErrorCode::kUsage, "the " + std::string(role) + " threshold is " +
                                       std::to_string(threshold) + " of " +
                                       std::to_string(files.size()) + " keys");
  }
  for (const std::string& file : files) {
    SLUICE_ASSIGN(const Bytes bytes, ReadFile(file, kKeyFileBytesMax));
    auto key = PublicKeyFromText(AsText(bytes));
    if (!key) return Fail(key.error().With(file));
    keys.keys.push_back(*std::move(key));
  }
  return keys;
}

Result<Root> RootOf(const Session& session, const RootOptions& options) {
  SLUICE_TRY(CheckRegistryId("fleet", options.fleet));
  Root root;
  root.fleet_id = options.fleet;
  SLUICE_ASSIGN(root.root, LoadRoleKeys("root", options.root_keys, options.root_threshold));
  SLUICE_ASSIGN(root.release,
                LoadRoleKeys("release", options.release_keys, options.release_threshold));
  SLUICE_ASSIGN(root.director,
                LoadRoleKeys("director", options.director_keys, options.director_threshold));
  root.created_ms = session.clock.Wall().ms;
  root.expires_ms = root.created_ms + static_cast<std::int64_t>(options.life_days *
                                                                static_cast<double>(limits::kDay));
  return root;
}

Status Create(Session& session, const RootOptions& options) {
  std::error_code error;
  if (std::filesystem::exists(options.file, error)) {
    return Fail(ErrorCode::kConflict, options.file + " is there; a root is never overwritten");
  }
  SLUICE_ASSIGN(const Root root, RootOf(session, options));
  std::vector<SigningKey> keys;
  for (const std::string& file : options.sign_with) {
    SLUICE_ASSIGN(SigningKey key, LoadSigningKey(file));
    keys.push_back(std::move(key));
  }
  std::vector<const SigningKey*> signers;
  signers.reserve(keys.size());
  for (const SigningKey& key : keys) signers.push_back(&key);
  const Bytes envelope = Seal(PayloadType::kRoot, Encode(root), signers);
  // What no device would accept must not leave this machine.
  const auto trust = Trust::FromInstalledRoot(envelope);
  if (!trust) return Fail(trust.error().With("this root would not be accepted"));
  SLUICE_TRY(WriteFile(options.file, envelope));
  session.out << options.file << "\n";
  return {};
}

Status Show(Session& session, const RootOptions& options) {
  SLUICE_ASSIGN(const Bytes envelope, ReadFile(options.file, limits::kRootBytesMax));
  const auto trust = Trust::FromInstalledRoot(envelope);
  if (!trust) return Fail(trust.error().With(options.file));
  const Root& root = trust->root();
  session.out << "fleet " << root.fleet_id << ", version " << root.version << ", from "
              << TimeText(root.created_ms) << " to " << TimeText(root.expires_ms) << "\n";
  Table table({"ROLE", "THRESHOLD", "KEY ID"});
  for (const Role role : {Role::kRoot, Role::kRelease, Role::kDirector}) {
    const RoleKeys& keys = root.KeysOf(role);
    for (const PublicKey& key : keys.keys) {
      table.Add({std::string(RoleName(role)),
                 std::to_string(keys.threshold) + " of " + std::to_string(keys.keys.size()),
                 KeyId(key).Hex()});
    }
  }
  session.out << table.Render();
  return {};
}

}  // namespace

void AddRootCommands(CLI::App& app, Session& session) {
  CLI::App* noun = app.add_subcommand("root", "who may sign what in a fleet");
  noun->require_subcommand(1);
  auto options = std::make_shared<RootOptions>();

  CLI::App* create = noun->add_subcommand("create", "write and sign the first root of a fleet");
  create->add_option("--fleet", options->fleet, "the fleet's name, bound into every signature")
      ->required();
  create->add_option("--root-key", options->root_keys, "public key files of the root role")
      ->required();
  create->add_option("--release-key", options->release_keys, "of the release role")->required();
  create->add_option("--director-key", options->director_keys, "of the director role")->required();
  create->add_option("--threshold", options->root_threshold, "root signatures needed (1)");
  create->add_option("--release-threshold", options->release_threshold,
                     "release signatures needed (1)");
  create->add_option("--director-threshold", options->director_threshold,
                     "director signatures needed (1)");
  create->add_option("--sign-with", options->sign_with, "private key files of the root role")
      ->required()
      ->expected(1, static_cast<int>(limits::kSignaturesMax));
  create->add_option("--expires-days", options->life_days, "life in days (730)")
      ->check(CLI::Range(1.0, 3'650.0));
  create->add_option("-o,--out", options->file, "the envelope to write")->required();
  create->callback([&session, options] { session.Finish(Create(session, *options)); });

  CLI::App* show =
      noun->add_subcommand("show", "check a root against its own threshold and print it");
  show->add_option("FILE", options->file)->required();
  show->callback([&session, options] { session.Finish(Show(session, *options)); });
}

}  // namespace sluice
