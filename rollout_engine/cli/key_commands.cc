#include <CLI/CLI.hpp>
#include <filesystem>

#include "common/crypto/keys.h"
#include "rollout_engine/cli/choice.h"
#include "rollout_engine/cli/commands.h"
#include "rollout_engine/registry/file_io.h"

namespace sluice {
namespace {

constexpr std::uint64_t kKeyFileBytesMax = 4'096;

struct KeyOptions {
  std::string file;
  SignatureAlgorithm algorithm = SignatureAlgorithm::kEd25519;
};

void PrintKey(Session& session, const PublicKey& key) {
  session.out << KeyId(key).Hex() << "\n";
  session.err << PublicKeyToText(key) << "\n";
}

Status Generate(Session& session, const KeyOptions& options) {
  std::error_code error;
  if (std::filesystem::exists(options.file + ".pub", error)) {
    return Fail(ErrorCode::kConflict,
                options.file + ".pub exists; a key file is never overwritten");
  }
  SLUICE_ASSIGN(const SigningKey key, SigningKey::Generate(options.algorithm, session.random));
  SLUICE_TRY(SaveSigningKey(options.file, key));
  SLUICE_TRY(WriteFile(options.file + ".pub", AsBytes(PublicKeyToText(key.Public()) + "\n")));
  PrintKey(session, key.Public());
  return {};
}

/// Either half of a pair: people should not have to know which file they hold.
Status Show(Session& session, const KeyOptions& options) {
  const auto private_key = LoadSigningKey(options.file);
  if (private_key) {
    PrintKey(session, private_key->Public());
    return {};
  }
  SLUICE_ASSIGN(const Bytes bytes, ReadFile(options.file, kKeyFileBytesMax));
  const auto public_key = PublicKeyFromText(AsText(bytes));
  if (!public_key) return Fail(private_key.error());
  PrintKey(session, *public_key);
  return {};
}

}  // namespace

void AddKeyCommands(CLI::App& app, Session& session) {
  CLI::App* noun = app.add_subcommand("key", "signing keys, made and kept offline");
  noun->require_subcommand(1);
  auto options = std::make_shared<KeyOptions>();

  CLI::App* generate =
      noun->add_subcommand("generate", "write a new private key, and FILE.pub beside it");
  generate->add_option("-o,--out", options->file, "file of the private key; never overwritten")
      ->required();
  static const std::map<std::string, SignatureAlgorithm> kAlgorithms = {
      {"ed25519", SignatureAlgorithm::kEd25519}, {"ecdsa-p256", SignatureAlgorithm::kEcdsaP256}};
  generate->add_option("--algorithm", options->algorithm, "ed25519 (default) or ecdsa-p256")
      ->transform(OneOf(kAlgorithms));
  generate->callback([&session, options] { session.Finish(Generate(session, *options)); });

  CLI::App* show =
      noun->add_subcommand("show", "the key id (stdout) and the public key (stderr) of a key file");
  show->add_option("FILE", options->file)->required();
  show->callback([&session, options] { session.Finish(Show(session, *options)); });
}

}  // namespace sluice
