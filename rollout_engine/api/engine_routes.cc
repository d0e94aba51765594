// /v1/engine
#include "rollout_engine/api/http_routes.h"

namespace sluice::http {

void AddEngineRoutes(httplib::Server& server, const Context& context) {
  server.Get("/v1/engine", [context](const httplib::Request&, httplib::Response& response) {
    Answer(context, response, [](Engine& engine) -> Result<Json> {
      Json json = {{"id", engine.Facts().id}, {"fleet", engine.director().fleet_id()}};
      json.update(EngineJson(engine.Facts(), SourcesOf(engine)));
      json["rules"] = engine.rules().rules().rules.size();
      json["rules_fired"] = engine.rules().counters().fired;
      json["rules_problems"] = engine.rules().counters().problems;
      return json;
    });
  });
  AddPost(server, "/v1/engine/operations",
          [context](const httplib::Request&, const std::string& body, httplib::Response& response) {
            AnswerOperation(context, body, response, Subject::kEngine, "");
          });
}

}  // namespace sluice::http
