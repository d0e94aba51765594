#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "common/contract/topics.h"
#include "rollout_engine/cli/commands.h"
#include "rollout_engine/cli/engine_client.h"
#include "rollout_engine/cli/forecast_view.h"
#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/release_meta.h"
#include "rollout_engine/cli/release_view.h"
#include "rollout_engine/registry/file_io.h"
#include "rollout_engine/registry/registry.h"
#include "rollout_engine/registry/release_json.h"
#include "rollout_engine/registry/release_objects.h"
#include "rollout_engine/store/rocksdb_store.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMetaBytesMax = 65'536;
constexpr std::chrono::milliseconds kForecastInterval{250};

struct ReleaseOptions {
  std::string name;  // also: the folder of a bundle
  std::string file;  // the artifact, where the meta file names none
  std::string meta;
  std::string model;
  std::string fleet;
  std::vector<std::string> hardware;
  std::uint64_t release_seq = 0;
  std::string out;
  std::string key;
  std::string root;
  std::string data;
  double forecast_s = 60;  // 0 = none
};

/// Paths in a meta file are relative to it: the file can be moved with what it describes.
std::string Beside(const std::string& meta_path, const std::string& path) {
  if (path.empty() || fs::path(path).is_absolute()) return path;
  return (fs::path(meta_path).parent_path() / path).string();
}

Result<ReleaseDraft> DraftOf(const Session& session, const ReleaseOptions& options) {
  SLUICE_TRY(CheckRegistryId("release", options.name));
  SLUICE_ASSIGN(const Bytes text, ReadFile(options.meta, kMetaBytesMax));
  auto meta = ParseReleaseMeta(AsText(text));
  if (!meta) return Fail(meta.error().With(options.meta));
  ReleaseDraft draft = std::move(meta->draft);
  draft.name = options.name;
  if (!options.model.empty()) draft.model = options.model;
  if (!options.fleet.empty()) draft.fleet_id = options.fleet;
  if (draft.model.empty())
    return Fail(ErrorCode::kCfgIncomplete,
                "the model is missing: --model or 'model' in " + options.meta);
  if (draft.fleet_id.empty())
    return Fail(ErrorCode::kCfgIncomplete,
                "the fleet is missing: --fleet or 'fleet' in " + options.meta);
  draft.created_ms = session.clock.Wall().ms;
  draft.expires_ms = draft.created_ms + meta->life_ms;
  draft.release_seq =
      options.release_seq != 0 ? options.release_seq : static_cast<std::uint64_t>(draft.created_ms);
  draft.validation_path = Beside(options.meta, draft.validation_path);
  const bool files_in_meta = !draft.artifacts.front().path.empty();
  if (files_in_meta == !options.file.empty()) {
    return Fail(ErrorCode::kUsage,
                "name the artifact on the command line or under 'artifacts' in " + options.meta +
                    ", one of both");
  }
  for (ReleaseDraft::Artifact& artifact : draft.artifacts) {
    artifact.path = files_in_meta ? Beside(options.meta, artifact.path) : options.file;
    if (!files_in_meta && !options.hardware.empty()) artifact.hardware = options.hardware;
  }
  return draft;
}

Status Create(Session& session, const ReleaseOptions& options) {
  SLUICE_ASSIGN(const ReleaseDraft draft, DraftOf(session, options));
  const std::string folder = options.out.empty() ? options.name + ".bundle" : options.out;
  SLUICE_ASSIGN(const Bundle bundle, Bundle::Create(folder, draft));
  for (const ReleaseArtifact& artifact : bundle.release().artifacts) {
    session.err << artifact.manifest.artifact_sha256.Hex() << "  "
                << artifact.manifest.artifact_size << " bytes\n";
  }
  session.out << folder << "\n";
  return {};
}

Status Sign(Session& session, const ReleaseOptions& options) {
  SLUICE_ASSIGN(Bundle bundle, Bundle::Load(options.name));
  SLUICE_ASSIGN(const SigningKey key, LoadSigningKey(options.key));
  SLUICE_TRY(bundle.Sign(key));
  session.err << bundle.release().name << " signed by " << KeyId(key.Public()).Hex() << "\n";
  return {};
}

/// Waits until the engine has built what the fleet would fetch, and prints its size. The release is
/// published whatever comes of this.
void Forecast(Session& session, const EngineClient& engine, const ReleaseOptions& options,
              const std::string& release) {
  const BootMs start = session.clock.Boot();
  for (;;) {
    const auto forecast = engine.Get("/v1/releases/" + release + "/payloads");
    const auto json = forecast ? ParseJson(*forecast) : Fail(forecast.error());
    if (!json) {
      session.err << "no forecast: " << json.error().Line() << "\n";
      return;
    }
    const auto complete = json->find("complete");
    const bool is_complete = complete == json->end() || *complete != false;
    const bool late =
        static_cast<double>(session.clock.Boot() - start) >= options.forecast_s * 1'000;
    if (is_complete || late) {
      if (const Status printed = PrintForecast(session, *forecast); !printed)
        session.err << "no forecast: " << printed.error().Line() << "\n";
      return;
    }
    std::this_thread::sleep_for(kForecastInterval);
  }
}

Status Publish(Session& session, const ReleaseOptions& options) {
  SLUICE_ASSIGN(const Bundle bundle, Bundle::Load(options.name));
  const Release& release = bundle.release();
  if (release.state == ReleaseState::kDraft) {
    return Fail(ErrorCode::kNotSigned,
                release.name + " has a manifest without a signature; run 'sluice release sign'");
  }
  const EngineClient engine(session.socket_path);
  Publication publication{release.name, release.metrics, {}};
  for (const ReleaseArtifact& artifact : release.artifacts) {
    SLUICE_TRY(CheckObjects(bundle.objects(), artifact.manifest));
    SLUICE_TRY(engine.PutObject(bundle.objects(), artifact.manifest.artifact_sha256));
    publication.envelopes.push_back(artifact.envelope);
  }
  const Digest& validation_set = release.artifacts.front().manifest.validation.sha256;
  if (!validation_set.IsZero()) SLUICE_TRY(engine.PutObject(bundle.objects(), validation_set));
  SLUICE_ASSIGN(
      const std::string answer,
      engine.Post("/v1/releases", {}, PublicationToJson(publication), "application/json"));
  SLUICE_TRY(PrintRelease(session, answer));
  const bool for_people =
      session.output == OutputFormat::kTable || session.output == OutputFormat::kWide;
  if (for_people && options.forecast_s > 0) Forecast(session, engine, options, release.name);
  return {};
}

/// The registry of an engine's folder, read beside or without its engine.
struct LocalRegistry {
  std::unique_ptr<RocksdbStore> store;
  std::unique_ptr<ObjectStore> objects;
  std::unique_ptr<Registry> registry;
};

Result<LocalRegistry> OpenRegistry(const std::string& data) {
  LocalRegistry local;
  SLUICE_ASSIGN(local.store, RocksdbStore::Open(data + "/store", RocksdbStore::Mode::kReadOnly));
  SLUICE_ASSIGN(ObjectStore objects, ObjectStore::OpenExisting(data));
  local.objects = std::make_unique<ObjectStore>(std::move(objects));
  local.registry = std::make_unique<Registry>(*local.store, *local.objects);
  return local;
}

Status List(Session& session, const ReleaseOptions& options) {
  if (options.data.empty()) {
    SLUICE_ASSIGN(
        const std::string answer,
        EngineClient(session.socket_path).GetAll("/v1/releases", {{"model", options.model}}));
    return PrintReleases(session, answer);
  }
  SLUICE_ASSIGN(const LocalRegistry local, OpenRegistry(options.data));
  SLUICE_ASSIGN(const std::vector<Release> releases, local.registry->List(options.model));
  return PrintReleases(session, ReleasesToJson(releases));
}

bool IsBundle(const std::string& name) {
  std::error_code error;
  return fs::exists(fs::path(name) / "release.json", error);
}

Status Show(Session& session, const ReleaseOptions& options) {
  if (IsBundle(options.name)) {
    SLUICE_ASSIGN(const Bundle bundle, Bundle::Load(options.name));
    return PrintRelease(session, ReleaseToJson(bundle.release()));
  }
  SLUICE_TRY(CheckRegistryId("release", options.name));
  if (!options.data.empty()) {
    SLUICE_ASSIGN(const LocalRegistry local, OpenRegistry(options.data));
    SLUICE_ASSIGN(const Release release, local.registry->Find(options.name));
    return PrintRelease(session, ReleaseToJson(release));
  }
  SLUICE_ASSIGN(const std::string answer,
                EngineClient(session.socket_path).Get("/v1/releases/" + options.name));
  return PrintRelease(session, answer);
}

Status Verify(Session& session, const ReleaseOptions& options) {
  SLUICE_ASSIGN(const Bytes root, ReadFile(options.root, limits::kRootBytesMax));
  const auto trust = Trust::FromInstalledRoot(root);
  if (!trust) return Fail(trust.error().With(options.root));
  if (options.data.empty()) {
    SLUICE_ASSIGN(const Bundle bundle, Bundle::Load(options.name));
    SLUICE_TRY(VerifyRelease(bundle.release(), bundle.objects(), *trust));
  } else {
    SLUICE_ASSIGN(const LocalRegistry local, OpenRegistry(options.data));
    SLUICE_ASSIGN(const Release release, local.registry->Find(options.name));
    SLUICE_TRY(VerifyRelease(release, *local.objects, *trust));
  }
  session.out << options.name << ": signatures and bytes are good\n";
  return {};
}

void AddOfflineCommands(CLI::App& noun, Session& session,
                        const std::shared_ptr<ReleaseOptions>& options) {
  CLI::App* create =
      noun.add_subcommand("create", "copy artifacts and write the manifests to be signed");
  create->add_option("NAME", options->name, "the release's name, e.g. detector-v3.2")->required();
  create->add_option("FILE", options->file, "the artifact, unless the meta file lists artifacts");
  create->add_option("--meta", options->meta, "the meta file (YAML)")->required();
  create->add_option("--model", options->model, "overrides the meta file");
  create->add_option("--fleet", options->fleet, "overrides the meta file");
  create->add_option("--hardware", options->hardware, "a,b: overrides the meta file")
      ->delimiter(',');
  create->add_option("--seq", options->release_seq,
                     "release_seq (default: the time in ms, which rises)");
  create->add_option("-o,--out", options->out, "folder of the bundle (NAME.bundle)");
  create->callback([&session, options] { session.Finish(Create(session, *options)); });

  CLI::App* sign = noun.add_subcommand("sign", "add a signature to every manifest of a bundle");
  sign->add_option("BUNDLE", options->name)->required();
  sign->add_option("--key", options->key, "private key file of the release role")->required();
  sign->callback([&session, options] { session.Finish(Sign(session, *options)); });

  CLI::App* verify = noun.add_subcommand(
      "verify", "check signatures and bytes of a bundle or a published release");
  verify->add_option("BUNDLE", options->name, "a bundle; with --data the name of a release")
      ->required();
  verify->add_option("--root", options->root, "the fleet's root envelope")->required();
  verify->add_option("--data", options->data, "an engine's folder");
  verify->callback([&session, options] { session.Finish(Verify(session, *options)); });
}

}  // namespace

void AddReleaseCommands(CLI::App& app, Session& session) {
  CLI::App* noun = app.add_subcommand("release", "versions of models: create, sign, publish, look");
  noun->require_subcommand(1);
  auto options = std::make_shared<ReleaseOptions>();
  AddOfflineCommands(*noun, session, options);

  CLI::App* publish = noun->add_subcommand("publish", "upload a signed bundle to the engine");
  publish->add_option("BUNDLE", options->name)->required();
  publish->add_option("--forecast", options->forecast_s,
                      "seconds to wait for the sizes of the fleet's updates; 0: do not ask (60)");
  AddOutputOption(*publish, session);
  publish->callback([&session, options] { session.Finish(Publish(session, *options)); });

  CLI::App* list = noun->add_subcommand("list", "the releases of the registry");
  list->add_option("--model", options->model);
  list->add_option("--data", options->data, "read an engine's folder instead of asking an engine");
  AddOutputOption(*list, session);
  list->callback([&session, options] { session.Finish(List(session, *options)); });

  CLI::App* show = noun->add_subcommand("show", "one release, or one bundle");
  show->add_option("NAME", options->name)->required();
  show->add_option("--data", options->data, "read an engine's folder instead of asking an engine");
  AddOutputOption(*show, session);
  show->callback([&session, options] { session.Finish(Show(session, *options)); });
}

}  // namespace sluice
