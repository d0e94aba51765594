// What the routes share: how answers and errors are written, how a request reaches the engine.
// Included by .cc files only.
#pragma once

#include <httplib.h>

#include <functional>
#include <string>
#include <utility>

#include "rollout_engine/engine/engine_loop.h"
#include "rollout_engine/engine/view_json.h"

namespace sluice::http {

inline constexpr char kApiVersion[] = "v1";
inline constexpr char kJsonType[] = "application/json";
inline constexpr std::size_t kBodyBytesMax = 1 << 20;
inline constexpr std::size_t kPageDefault = 100;
inline constexpr std::size_t kPageMax = 1'000;

/// What every route needs.
struct Context {
  EngineLoop& loop;
  const ObjectStore& objects;
};

int StatusOf(ErrorCode code) noexcept;
/// application/problem+json.
void SendError(httplib::Response& response, const Error& error);
/// An object with `api_version` in front.
void SendJson(httplib::Response& response, const Json& json, int status = 200);

/// The engine's answer or its error.
template <class Work>
void Answer(const Context& context, httplib::Response& response, Work work) {
  Result<Result<Json>> json = context.loop.Run(std::move(work));
  if (!json) return SendError(response, json.error());
  if (!*json) return SendError(response, json->error());
  SendJson(response, **json);
}

/// `limit`, 1 to 1,000: E_USAGE.
Result<std::size_t> LimitOf(const httplib::Request& request);
ViewSources SourcesOf(Engine& engine);

/// One page of `ids`, in their order, after the one that `cursor` names: its items and where the
/// next page starts.
struct Page {
  std::vector<std::string> ids;
  std::string next_cursor;
};
Page PageOf(const std::vector<std::string>& ids, const std::string& cursor, std::size_t limit);
Json ListJson(Json items, const std::string& next_cursor);

void AddEngineRoutes(httplib::Server& server, const Context& context);
void AddRolloutRoutes(httplib::Server& server, const Context& context);
void AddDeviceRoutes(httplib::Server& server, const Context& context);
void AddReleaseRoutes(httplib::Server& server, const Context& context);
void AddObjectRoutes(httplib::Server& server, const Context& context);

/// A POST route whose body is read up to kBodyBytesMax; a longer one is read to its end, so that
/// the sender hears why it was refused, and answered E_TOO_BIG.
using PostHandler = std::function<void(const httplib::Request& request, const std::string& body,
                                       httplib::Response& response)>;
void AddPost(httplib::Server& server, const std::string& pattern, PostHandler handler);

/// POST .../operations: the body as an operation on `object`, and its outcome.
void AnswerOperation(const Context& context, const std::string& body, httplib::Response& response,
                     Subject subject, const std::string& object);

}  // namespace sluice::http
