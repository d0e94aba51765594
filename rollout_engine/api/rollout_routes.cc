// /v1/rollouts
#include <algorithm>
#include <atomic>
#include <charconv>

#include "common/base/random.h"
#include "rollout_engine/api/http_routes.h"
#include "rollout_engine/core/rollout_explain.h"

namespace sluice::http {
namespace {

constexpr double kMilliPercentPerPercent = 1000;

Result<const RolloutEntry*> FindRollout(const Engine& engine, const std::string& id) {
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
  for (std::size_t i = 0; i < entry.rollout.spec.variants.size(); ++i)
    json["variants"].push_back(VariantJson(sources, entry, static_cast<std::int32_t>(i)));
  if (const LookSummary* look = sources.runner.LastLook(entry.rollout)) {
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

void AddCriteria(const LookSummary& look, const std::string& version, Json& criteria) {
  for (const CriterionSummary& c : look.criteria) {
    Json row = {{"criterion", c.criterion}, {"scope", c.scope},     {"observed", c.observed},
                {"control", c.control},     {"lo", c.lo},           {"hi", c.hi},
                {"limit", c.limit},         {"devices", c.devices}, {"n", c.inferences},
                {"verdict", c.verdict}};
    if (!version.empty()) row["variant"] = version;
    criteria.push_back(std::move(row));
  }
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
               {"missing", WhatIsMissing(rollout, sources.now)},
               {"next_check", next_look ? sources.wall.ms + (*next_look - sources.now) : 0},
               {"criteria", Json::array()},
               {"suspects", Json::array()}};
  for (const auto& [variant, look] : sources.runner.LastLooks(rollout.id)) {
    const auto index = static_cast<std::size_t>(variant);
    const std::string version =
        rollout.spec.variants.empty() ? "" : rollout.spec.ReleaseName(index);
    if (rollout.variants[index].dropped) continue;
    AddCriteria(look, version, json["criteria"]);
    for (const std::string& suspect : look.suspects) json["suspects"].push_back(suspect);
  }
  return json;
}

/// What is not known is left out.
Json CriterionJson(const RehearsedCriterion& row) {
  Json json = {{"criterion", row.criterion}, {"scope", row.scope}, {"devices", row.devices}};
  if (!row.judged) return json;
  json["observed"] = row.observed;
  json["limit"] = row.limit;
  if (row.detectable <= 1) json["detectable"] = row.detectable;
  json["promotable"] = row.promotable;
  return json;
}

Json PlanJson(const RolloutPlan& plan) {
  Json stages = Json::array();
  for (const RolloutPlan::Stage& stage : plan.stages) {
    std::size_t devices = 0;
    for (const auto& [hardware, count] : stage.devices) devices += count;
    Json criteria = Json::array();
    for (const RehearsedCriterion& row : stage.criteria) criteria.push_back(CriterionJson(row));
    stages.push_back({{"name", stage.name},
                      {"target_percent", stage.target / kMilliPercentPerPercent},
                      {"duration_s", stage.duration_ms / limits::kSecond},
                      {"devices", devices},
                      {"hardware", stage.devices},
                      {"bytes", stage.bytes},
                      {"can_decide", stage.can_decide},
                      {"why", stage.sentence},
                      {"criteria", std::move(criteria)}});
  }
  Json payloads = Json::array();
  for (const RolloutPlan::Payload& payload : plan.payloads) {
    payloads.push_back({{"release", payload.release},
                        {"hardware", payload.hardware},
                        {"base", payload.base},
                        {"kind", payload.base.empty() ? "full" : "delta"},
                        {"devices", payload.devices},
                        {"bytes", payload.bytes}});
  }
  return {{"model", plan.model},
          {"release", plan.release},
          {"devices", plan.devices},
          {"without_base", plan.without_base},
          {"bytes", plan.bytes},
          {"stages", std::move(stages)},
          {"payloads", std::move(payloads)},
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

void ListRollouts(const Context& context, const httplib::Request& request,
                  httplib::Response& response) {
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
    SLUICE_ASSIGN(const RolloutEntry* entry, FindRollout(engine, request.matches[1]));
    SLUICE_ASSIGN(const std::vector<RolloutNote> notes,
                  RolloutLog::Notes(engine.store(), entry->rollout.id, after, *limit));
    Json items = Json::array();
    for (const RolloutNote& note : notes) items.push_back(NoteJson(note));
    return ListJson(std::move(items), "");
  });
}

Result<std::int32_t> NumberOf(const std::string& text, const char* what) {
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size() && number >= 0) return number;
  return Fail(ErrorCode::kUsage, std::string(what) + " '" + text + "' is no number");
}

/// Which look is asked for: in the stage of that name (the current one without), of that variant's
/// version (of the one that the rollout speaks of without).
Result<RolloutLog::LookNumber> LookNumberOf(const Rollout& rollout,
                                            const httplib::Request& request) {
  RolloutLog::LookNumber number{.stage = std::max(CurrentStage(rollout), 0),
                                .variant = FinalVariant(rollout).value_or(0)};
  SLUICE_ASSIGN(number.look, NumberOf(request.matches[2], "look"));
  if (const std::string stage = request.get_param_value("stage"); !stage.empty()) {
    const auto& stages = rollout.spec.stages;
    const auto found = std::ranges::find(stages, stage, &StageSpec::name);
    if (found == stages.end())
      return Fail(ErrorCode::kNotFound, "rollout " + rollout.id + " has no stage " + stage);
    number.stage = static_cast<std::int32_t>(found - stages.begin());
  }
  if (const std::string version = request.get_param_value("variant"); !version.empty()) {
    const auto& variants = rollout.spec.variants;
    const auto found = std::ranges::find(variants, version, &VariantSpec::version);
    if (found == variants.end()) {
      std::string known;
      for (const VariantSpec& variant : variants)
        known += (known.empty() ? "; it compares " : ", ") + variant.version;
      return Fail(ErrorCode::kNotFound,
                  "rollout " + rollout.id + " has no variant " + version + known);
    }
    number.variant = static_cast<std::int32_t>(found - variants.begin());
  }
  return number;
}

/// As it was stored: a decision vector, without its input where that was not kept.
Result<Json> RecordJson(const Engine& engine, const httplib::Request& request) {
  SLUICE_ASSIGN(const RolloutEntry* entry, FindRollout(engine, request.matches[1]));
  SLUICE_ASSIGN(const RolloutLog::LookNumber number, LookNumberOf(entry->rollout, request));
  const std::string key = RolloutLog::DecisionKey(entry->rollout.id, number);
  SLUICE_ASSIGN(const std::optional<Bytes> record, engine.store().Get(key));
  if (record) return ReadStoredJson(key, *record, [](const Json& json) { return json; });
  const auto& runs = entry->rollout.runs;
  const auto run = std::ranges::find(runs, number.stage, &StageRun::stage);
  return Fail(ErrorCode::kNotFound, "no look " + std::to_string(number.look) +
                                        " is kept of that stage; it has had " +
                                        std::to_string(run == runs.end() ? 0 : run->looks));
}

}  // namespace

void AddRolloutRoutes(httplib::Server& server, const Context& context) {
  server.Get("/v1/rollouts", [context](const auto& request, auto& response) {
    ListRollouts(context, request, response);
  });
  AddPost(server, "/v1/rollouts",
          [context](const httplib::Request& request, const std::string& body,
                    httplib::Response& response) { Create(context, request, body, response); });
  server.Get(R"(/v1/rollouts/([^/]+))",
             [context](const httplib::Request& request, httplib::Response& response) {
               Answer(context, response, [&](Engine& engine) -> Result<Json> {
                 SLUICE_ASSIGN(const RolloutEntry* entry, FindRollout(engine, request.matches[1]));
                 return FullJson(SourcesOf(engine), *entry);
               });
             });
  server.Get(R"(/v1/rollouts/([^/]+)/explain)",
             [context](const httplib::Request& request, httplib::Response& response) {
               Answer(context, response, [&](Engine& engine) -> Result<Json> {
                 SLUICE_ASSIGN(const RolloutEntry* entry, FindRollout(engine, request.matches[1]));
                 return ExplanationJson(SourcesOf(engine), *entry);
               });
             });
  server.Get(R"(/v1/rollouts/([^/]+)/looks/([^/]+))", [context](const httplib::Request& request,
                                                                httplib::Response& response) {
    Answer(context, response, [&](Engine& engine) { return RecordJson(engine, request); });
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
