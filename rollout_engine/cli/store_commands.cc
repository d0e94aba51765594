#include <CLI/CLI.hpp>
#include <algorithm>

#include "rollout_engine/cli/commands.h"
#include "rollout_engine/registry/object_store.h"
#include "rollout_engine/store/rocksdb_store.h"

namespace sluice {
namespace {

struct StoreOptions {
  std::string data;
  std::string prefix;
};

Result<std::unique_ptr<RocksdbStore>> OpenStore(Session& session, const StoreOptions& options) {
  auto store = RocksdbStore::Open(options.data + "/store", RocksdbStore::Mode::kReadOnly);
  if (store && !(*store)->warning().empty()) session.err << (*store)->warning() << "\n";
  return store;
}

/// Values are text (JSON, numbers, names) or binary; hexadecimal after "0x" for the latter, so that
/// a line stays a line.
std::string ValueText(ByteView value) {
  const bool text = std::all_of(value.begin(), value.end(),
                                [](std::uint8_t byte) { return byte >= 0x20 && byte < 0x7f; });
  return text ? std::string(AsText(value)) : "0x" + ToHex(value);
}

Status Dump(Session& session, const StoreOptions& options) {
  SLUICE_ASSIGN(const std::unique_ptr<RocksdbStore> store, OpenStore(session, options));
  return store->Scan(options.prefix, [&session](std::string_view key, ByteView value) {
    session.out << key << '\t' << ValueText(value) << '\n';
    return true;
  });
}

Status Verify(Session& session, const StoreOptions& options) {
  // Opening verifies.
  SLUICE_ASSIGN(const std::unique_ptr<RocksdbStore> store, OpenStore(session, options));
  SLUICE_ASSIGN(const ObjectStore objects, ObjectStore::OpenExisting(options.data));
  std::size_t good = 0;
  std::size_t damaged = 0;
  SLUICE_TRY(objects.List([&](const Digest& object) {
    const Status verified = objects.Verify(object);
    if (!verified) session.err << verified.error().Line() << "\n";
    ++(verified ? good : damaged);
    return true;
  }));
  session.out << "store: good; objects: " << good << " good, " << damaged << " damaged\n";
  if (damaged > 0)
    return Fail(ErrorCode::kObjectHash,
                std::to_string(damaged) + " damaged objects; publish their releases again");
  return {};
}

}  // namespace

void AddStoreCommands(CLI::App& app, Session& session) {
  CLI::App* noun = app.add_subcommand("store", "an engine's folder, also while the engine runs");
  noun->require_subcommand(1);
  auto options = std::make_shared<StoreOptions>();

  CLI::App* dump =
      noun->add_subcommand("dump", "every key and value, one per line, in the order of the keys");
  dump->add_option("DATA", options->data, "the engine's folder")->required();
  dump->add_option("--prefix", options->prefix, "only keys that begin so");
  dump->callback([&session, options] { session.Finish(Dump(session, *options)); });

  CLI::App* verify = noun->add_subcommand("verify", "read everything back against its checksums");
  verify->add_option("DATA", options->data, "the engine's folder")->required();
  verify->callback([&session, options] { session.Finish(Verify(session, *options)); });
}

}  // namespace sluice
