// /v1/releases
#include <algorithm>

#include "rollout_engine/api/http_routes.h"
#include "rollout_engine/registry/release_json.h"

namespace sluice::http {
namespace {

void ListReleases(const Context& context, const httplib::Request& request,
                  httplib::Response& response) {
  const auto limit = LimitOf(request);
  if (!limit) return SendError(response, limit.error());
  const auto releases = context.loop.Run(
      [&](Engine& engine) { return engine.registry().List(request.get_param_value("model")); });
  if (!releases) return SendError(response, releases.error());
  if (!*releases) return SendError(response, releases->error());
  std::vector<std::string> names;
  for (const Release& release : **releases) names.push_back(release.name);
  const Page page = PageOf(names, request.get_param_value("cursor"), *limit);
  std::vector<Release> items;
  for (const Release& release : **releases) {
    if (std::find(page.ids.begin(), page.ids.end(), release.name) != page.ids.end())
      items.push_back(release);
  }
  response.set_content(ReleasesToJson(items, page.next_cursor), kJsonType);
}

void Show(const Context& context, const httplib::Request& request, httplib::Response& response) {
  const std::string name = request.matches[1];
  const auto release =
      context.loop.Run([&](Engine& engine) { return engine.registry().Find(name); });
  if (!release) return SendError(response, release.error());
  if (!*release) return SendError(response, release->error());
  response.set_content(ReleaseToJson(**release), kJsonType);
}

void Publish(const Context& context, const std::string& body, httplib::Response& response) {
  const auto publication = PublicationFromJson(body);
  if (!publication) return SendError(response, publication.error());
  const auto published =
      context.loop.Run([&](Engine& engine) { return engine.PublishRelease(*publication); });
  if (!published) return SendError(response, published.error());
  if (!*published) return SendError(response, published->error());
  response.status = (*published)->was_there ? 200 : 201;
  response.set_content(ReleaseToJson((*published)->release), kJsonType);
}

const char* ClassName(MemoryClass memory_class) {
  if (memory_class == MemoryClass::kS) return "S";
  return memory_class == MemoryClass::kM ? "M" : "L";
}

Json ForecastJson(const std::string& release, const std::vector<ForecastRow>& rows) {
  Json items = Json::array();
  bool complete = true;
  for (const ForecastRow& row : rows) {
    Json item = {{"hardware", row.hardware}, {"kind", row.base.IsZero() ? "full" : "delta"},
                 {"base", row.base_release}, {"class", ClassName(row.memory_class)},
                 {"devices", row.devices},   {"artifact_bytes", row.artifact_bytes}};
    if (!row.base.IsZero()) item["base_sha256"] = row.base.Hex();
    if (row.payload_bytes) item["payload_bytes"] = *row.payload_bytes;
    if (!row.problem.empty()) item["problem"] = row.problem;
    complete = complete && (row.payload_bytes || !row.problem.empty());
    items.push_back(std::move(item));
  }
  return {{"release", release}, {"complete", complete}, {"items", std::move(items)}};
}

}  // namespace

void AddReleaseRoutes(httplib::Server& server, const Context& context) {
  server.Get("/v1/releases", [context](const auto& request, auto& response) {
    ListReleases(context, request, response);
  });
  server.Get(R"(/v1/releases/([^/]+))",
             [context](const auto& request, auto& response) { Show(context, request, response); });
  server.Get(R"(/v1/releases/([^/]+)/payloads)", [context](const auto& request, auto& response) {
    const std::string name = request.matches[1];
    Answer(context, response, [&](Engine& engine) -> Result<Json> {
      SLUICE_ASSIGN(const std::vector<ForecastRow> rows, engine.ForecastRelease(name));
      return ForecastJson(name, rows);
    });
  });
  AddPost(server, "/v1/releases",
          [context](const httplib::Request&, const std::string& body, httplib::Response& response) {
            Publish(context, body, response);
          });
}

}  // namespace sluice::http
