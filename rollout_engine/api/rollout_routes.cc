// /v1/rollouts
#include <algorithm>
#include <atomic>
#include <charconv>

#include "common/base/random.h"
#include "rollout_engine/api/http_routes.h"

namespace sluice::http {
namespace {

constexpr double kMilliPercentPerPercent = 1000;

Result<const RolloutEntry*> Find(const Engine& engine, const std::string& id) {
  if (const RolloutEntry* entry = engine.rollouts().Find(id)) return entry;
  return Fail(ErrorCode::kNotFound, "no rollout " + id);
}

Json ShortJson(const ViewSources& sources, const RolloutEntry& entry) {
  Json json = RolloutJson(sources, entry);
  json["created"] = entry.created_ms;
  json["started"] = entry.started_ms;
  json["ended"] = entry.ended_ms;
  return json;
}

Json FullJson(const ViewSources& sources, const RolloutEntry& entry) {
  Json json = ShortJson(sources, entry);
  Json stages = Json::array();
  const auto count = static_cast<std::int32_t>(entry.rollout.spec.stages.size());
  for (std::int32_t stage = 0; stage < count; ++stage)
    stages.push_back(StageJson(sources, entry, stage));
  json["stage_list"] = std::move(stages);
  if (const LookSummary* look = sources.runner.LastLook(entry.rollout.id)) {
    json["ab"] = ComparisonJson(entry, *look);
    const auto stage = static_cast<std::size_t>(look->stage);
    if (const auto limit_ms = entry.rollout.spec.stages[stage].criteria.latency_p99_max_ms)
      json["ab"]["latency_p99_ms_limit"] = *limit_ms;
  }
  return json;
}

Json NoteJson(const RolloutNote& note) {
  return {{"seq", note.seq},   {"type", note.type},   {"by", note.by},
          {"via", note.via},   {"op_id", note.op_id}, {"ok", note.ok},
          {"code", note.code}, {"why", note.why},     {"ts", note.ts_ms}};
}

std::int32_t ActiveDevices(const Rollout& rollout, std::int32_t stage) {
  const StateCounts counts = CountStates(rollout, stage);
  std::int32_t active = 0;
  for (std::size_t state = 0; state < counts.size(); ++state) {
    if (IsActive(static_cast<DeviceState>(state))) active += counts[state];
  }
  return active;
}

/// One sentence per thing that the rollout waits for.
Json MissingJson(const ViewSources& sources, const Rollout& rollout) {
  Json missing = Json::array();
  switch (rollout.status) {
    case RolloutStatus::kScheduled:
      missing.push_back("an operator starts it");
      return missing;
    case RolloutStatus::kPaused:
    case RolloutStatus::kHolding:
      missing.push_back("an operator resumes, aborts or rolls it back");
      return missing;
    case RolloutStatus::kAwaitingApproval:
      missing.push_back("an approver approves");
      return missing;
    case RolloutStatus::kRollingBack:
      missing.push_back("the devices on the release report their revert");
      return missing;
    case RolloutStatus::kRunning:
      break;
    case RolloutStatus::kRolledBack:
    case RolloutStatus::kAborted:
    case RolloutStatus::kCompleted:
      return missing;
  }
  const std::int32_t stage = CurrentStage(rollout);
  const std::int32_t active = ActiveDevices(rollout, stage);
  const std::int32_t devices = CohortCount(rollout, stage);
  if (active < devices) {
    missing.push_back(std::to_string(devices - active) + " of " + std::to_string(devices) +
                      " devices do not run the release yet");
  }
  const auto soak_left_ms = SoakLeftMs(rollout, sources.now);
  if (!soak_left_ms) {
    missing.push_back("the soak begins when enough devices are active");
  } else if (*soak_left_ms > 0) {
    missing.push_back("the soak lasts another " + std::to_string((*soak_left_ms + 999) / 1000) +
                      " s");
  }
  return missing;
}

Json ExplanationJson(const ViewSources& sources, const RolloutEntry& entry) {
  const Rollout& rollout = entry.rollout;
  const Json view = RolloutJson(sources, entry);
  const std::optional<BootMs> next_look =
      rollout.timers[static_cast<std::size_t>(TimerKind::kLook)];
  Json json = {{"rid", rollout.id},
               {"status", view.at("status")},
               {"stage", view.at("stage")},
               {"verdict", view.at("verdict")},
               {"why", rollout.why},
               {"missing", MissingJson(sources, rollout)},
               {"next_check", next_look ? sources.wall.ms + (*next_look - sources.now) : 0},
               {"criteria", Json::array()}};
  const LookSummary* look = sources.runner.LastLook(rollout.id);
  if (look == nullptr) return json;
  for (const CriterionSummary& c : look->criteria) {
    json["criteria"].push_back({{"criterion", c.criterion},
                                {"scope", c.scope},
                                {"observed", c.observed},
                                {"control", c.control},
                                {"lo", c.lo},
                                {"hi", c.hi},
                                {"limit", c.limit},
                                {"devices", c.devices},
                                {"n", c.inferences},
                                {"verdict", c.verdict}});
  }
  return json;
}

Json PlanJson(const RolloutPlan& plan) {
  Json stages = Json::array();
  for (const RolloutPlan::Stage& stage : plan.stages) {
    std::size_t devices = 0;
    for (const auto& [hardware, count] : stage.devices) devices += count;
    stages.push_back({{"name", stage.name},
                      {"target_percent", stage.target / kMilliPercentPerPercent},
                      {"duration_s", stage.duration_ms / limits::kSecond},
                      {"devices", devices},
                      {"hardware", stage.devices}});
  }
  Json payloads = Json::array();
  for (const RolloutPlan::Payload& payload : plan.payloads) {
    payloads.push_back({{"hardware", payload.hardware},
                        {"base", payload.base},
                        {"kind", payload.base.empty() ? "full" : "delta"},
                        {"devices", payload.devices},
                        {"bytes", payload.bytes}});
  }
  return {{"model", plan.model},         {"release", plan.release},
          {"devices", plan.devices},     {"without_base", plan.without_base},
          {"stages", std::move(stages)}, {"payloads", std::move(payloads)},
          {"warnings", plan.warnings}};
}

/// E_USAGE for a status that no rollout can have: an empty list would look like an answer.
Status CheckStatusName(const std::string& name) {
  std::string all;
  for (std::size_t status = 0; status < kRolloutStatusCount; ++status) {
    const std::string_view known = RolloutStatusName(static_cast<RolloutStatus>(status));
    if (name.empty() || name == known) return {};
    all += (all.empty() ? "" : ", ") + std::string(known);
  }
  return Fail(ErrorCode::kUsage, "status '" + name + "': allowed " + all);
}

/// Newest first, of that model and status where they are given.
std::vector<std::string> Select(const Engine& engine, const std::string& model,
                                const std::string& status) {
  std::vector<const RolloutEntry*> entries;
  for (const auto& [id, entry] : engine.rollouts().all()) {
    if (!model.empty() && entry.model != model) continue;
    if (!status.empty() && RolloutStatusName(entry.rollout.status) != status) continue;
    entries.push_back(&entry);
  }
  std::stable_sort(
      entries.begin(), entries.end(), [](const RolloutEntry* a, const RolloutEntry* b) {
        return std::pair(a->created_ms, a->rollout.id) > std::pair(b->created_ms, b->rollout.id);
      });
  std::vector<std::string> ids;
  ids.reserve(entries.size());
  for (const RolloutEntry* entry : entries) ids.push_back(entry->rollout.id);
  return ids;
}

void List(const Context& context, const httplib::Request& request, httplib::Response& response) {
  const auto limit = LimitOf(request);
  if (!limit) return SendError(response, limit.error());
  const Status known = CheckStatusName(request.get_param_value("status"));
  if (!known) return SendError(response, known.error());
  Answer(context, response, [&](Engine& engine) -> Result<Json> {
    const Page page =
        PageOf(Select(engine, request.get_param_value("model"), request.get_param_value("status")),
               request.get_param_value("cursor"), *limit);
    const ViewSources sources = SourcesOf(engine);
    Json items = Json::array();
    for (const std::string& id : page.ids)
      items.push_back(ShortJson(sources, *engine.rollouts().Find(id)));
    return ListJson(std::move(items), page.next_cursor);
  });
}

std::string FreshOperationId() {
  SystemRandom random;
  std::array<std::uint8_t, 16> bytes{};
  random.Fill(bytes);
  return ToHex(bytes);
}

void Create(const Context& context, const httplib::Request& request, const std::string& body,
            httplib::Response& response) {
  if (request.get_param_value("dry_run") == "1") {
    return Answer(context, response, [&](Engine& engine) -> Result<Json> {
      SLUICE_ASSIGN(const RolloutPlan plan, engine.PlanRollout(body));
      return PlanJson(plan);
    });
  }
  Operation operation{.id = request.get_header_value("Idempotency-Key"),
                      .subject = Subject::kRollout,
                      .object = request.get_param_value("id"),
                      .op = "create",
                      .arguments = {{"file", body}},
                      .via = "http"};
  if (operation.id.empty()) operation.id = FreshOperationId();
  const auto created = context.loop.Run([&](Engine& engine) -> Result<Json> {
    const Outcome outcome = engine.Execute(operation);
    if (!outcome.ok()) return Fail(outcome.code, outcome.message);
    return FullJson(SourcesOf(engine), *engine.rollouts().Find(outcome.object));
  });
  if (!created) return SendError(response, created.error());
  if (!*created) return SendError(response, created->error());
  SendJson(response, **created, 201);
}

void Events(const Context& context, const httplib::Request& request, httplib::Response& response) {
  const auto limit = LimitOf(request);
  if (!limit) return SendError(response, limit.error());
  std::optional<std::uint64_t> after;
  if (request.has_param("after")) {
    const std::string text = request.get_param_value("after");
    std::uint64_t seq = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seq);
    if (error != std::errc{} || end != text.data() + text.size()) {
      return SendError(response, {ErrorCode::kUsage, "after '" + text + "' is no number"});
    }
    after = seq;
  }
  Answer(context, response, [&](Engine& engine) -> Result<Json> {
    SLUICE_ASSIGN(const RolloutEntry* entry, Find(engine, request.matches[1]));
    SLUICE_ASSIGN(const std::vector<RolloutNote> notes,
                  RolloutLog::Notes(engine.store(), entry->rollout.id, after, *limit));
    Json items = Json::array();
    for (const RolloutNote& note : notes) items.push_back(NoteJson(note));
    return ListJson(std::move(items), "");
  });
}

}  // namespace

void AddRolloutRoutes(httplib::Server& server, const Context& context) {
  server.Get("/v1/rollouts",
             [context](const auto& request, auto& response) { List(context, request, response); });
  AddPost(server, "/v1/rollouts",
          [context](const httplib::Request& request, const std::string& body,
                    httplib::Response& response) { Create(context, request, body, response); });
  server.Get(R"(/v1/rollouts/([^/]+))",
             [context](const httplib::Request& request, httplib::Response& response) {
               Answer(context, response, [&](Engine& engine) -> Result<Json> {
                 SLUICE_ASSIGN(const RolloutEntry* entry, Find(engine, request.matches[1]));
                 return FullJson(SourcesOf(engine), *entry);
               });
             });
  server.Get(R"(/v1/rollouts/([^/]+)/explain)",
             [context](const httplib::Request& request, httplib::Response& response) {
               Answer(context, response, [&](Engine& engine) -> Result<Json> {
                 SLUICE_ASSIGN(const RolloutEntry* entry, Find(engine, request.matches[1]));
                 return ExplanationJson(SourcesOf(engine), *entry);
               });
             });
  server.Get(R"(/v1/rollouts/([^/]+)/events)", [context](const auto& request, auto& response) {
    Events(context, request, response);
  });
  AddPost(server, R"(/v1/rollouts/([^/]+)/operations)",
          [context](const httplib::Request& request, const std::string& body,
                    httplib::Response& response) {
            AnswerOperation(context, body, response, Subject::kRollout, request.matches[1]);
          });
}

}  // namespace sluice::http
