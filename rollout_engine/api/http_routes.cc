#include "rollout_engine/api/http_routes.h"

#include <algorithm>
#include <charconv>

namespace sluice::http {
namespace {

constexpr char kProblemType[] = "application/problem+json";

Result<Operation> OperationOf(const std::string& text, Subject subject, const std::string& object) {
  try {
    const Json body = Json::parse(text);
    Operation operation{.id = body.at("id"),
                        .subject = subject,
                        .object = object,
                        .op = body.at("op"),
                        .by = body.value("by", ""),
                        .via = "http",
                        .reason = body.value("reason", "")};
    if (body.contains("to")) operation.arguments["to"] = body.at("to").get<std::string>();
    if (body.contains("expect_rev"))
      operation.expect_rev = body.at("expect_rev").get<std::uint64_t>();
    return operation;
  } catch (const nlohmann::json::exception& e) {
    return Fail(ErrorCode::kUsage, std::string("the body is no operation: ") + e.what());
  }
}

}  // namespace

int StatusOf(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kNotFound:
    case ErrorCode::kNoSuchVersion:
      return 404;
    case ErrorCode::kConflict:
    case ErrorCode::kIdReused:
    case ErrorCode::kImmutable:
    case ErrorCode::kRolloutActive:
    case ErrorCode::kLocked:
      return 409;
    case ErrorCode::kTooBig:
    case ErrorCode::kArtifactTooBig:
      return 413;
    case ErrorCode::kRateLimited:
      return 429;
    case ErrorCode::kNotConnected:
    case ErrorCode::kStaleEngine:
      return 503;
    case ErrorCode::kInternal:
    case ErrorCode::kIo:
      return 500;
    case ErrorCode::kUsage:
    case ErrorCode::kBadId:
      return 400;
    default:
      break;
  }
  const std::string_view name = CodeName(code);
  if (name.starts_with("E_CFG_") || name.starts_with("E_YAML_")) return 400;
  if (name.starts_with("E_STORE_")) return 503;
  return 422;
}

void SendError(httplib::Response& response, const Error& error) {
  const int status = StatusOf(error.code);
  response.status = status;
  response.set_content(
      DumpJson({{"status", status}, {"code", CodeName(error.code)}, {"detail", error.text}}),
      kProblemType);
}

void SendJson(httplib::Response& response, const Json& json, int status) {
  Json body = {{"api_version", kApiVersion}};
  body.update(json);
  response.status = status;
  response.set_content(DumpJson(body), kJsonType);
}

Result<std::size_t> LimitOf(const httplib::Request& request) {
  if (!request.has_param("limit")) return kPageDefault;
  const std::string text = request.get_param_value("limit");
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc{} || end != text.data() + text.size() || limit < 1 || limit > kPageMax) {
    return Fail(ErrorCode::kUsage,
                "limit '" + text + "': allowed 1 to " + std::to_string(kPageMax));
  }
  return limit;
}

ViewSources SourcesOf(Engine& engine) {
  return {engine.rollouts(), engine.devices(), engine.telemetry(), engine.runner(),
          engine.offers(),   engine.Now(),     engine.Wall()};
}

Page PageOf(const std::vector<std::string>& ids, const std::string& cursor, std::size_t limit) {
  auto first = ids.begin();
  if (!cursor.empty()) {
    first = std::find(ids.begin(), ids.end(), cursor);
    if (first != ids.end()) ++first;
  }
  const auto count =
      std::min<std::ptrdiff_t>(ids.end() - first, static_cast<std::ptrdiff_t>(limit));
  Page page{{first, first + count}, ""};
  if (first + count != ids.end()) page.next_cursor = page.ids.back();
  return page;
}

Json ListJson(Json items, const std::string& next_cursor) {
  Json list = {{"items", std::move(items)}};
  if (!next_cursor.empty()) list["next_cursor"] = next_cursor;
  return list;
}

void AddPost(httplib::Server& server, const std::string& pattern, PostHandler handler) {
  server.Post(pattern, [handler = std::move(handler)](const httplib::Request& request,
                                                      httplib::Response& response,
                                                      const httplib::ContentReader& read_content) {
    std::string body;
    std::size_t size_bytes = 0;
    read_content([&](const char* data, std::size_t size) {
      size_bytes += size;
      if (size_bytes <= kBodyBytesMax) body.append(data, size);
      return true;
    });
    if (size_bytes > kBodyBytesMax) {
      return SendError(response,
                       {ErrorCode::kTooBig, "the body has " + std::to_string(size_bytes) +
                                                " bytes, allowed " + std::to_string(kBodyBytesMax) +
                                                "; artifacts go to /v1/objects"});
    }
    handler(request, body, response);
  });
}

void AnswerOperation(const Context& context, const std::string& body, httplib::Response& response,
                     Subject subject, const std::string& object) {
  const auto operation = OperationOf(body, subject, object);
  if (!operation) return SendError(response, operation.error());
  const auto outcome = context.loop.Run([&](Engine& engine) { return engine.Execute(*operation); });
  if (!outcome) return SendError(response, outcome.error());
  if (!outcome->ok()) return SendError(response, {outcome->code, outcome->message});
  SendJson(response, {{"id", outcome->id},
                      {"ok", true},
                      {"code", CodeName(outcome->code)},
                      {"message", outcome->message},
                      {"rev", outcome->rev},
                      {"event_seq", outcome->event_seq}});
}

}  // namespace sluice::http
