#include "rollout_engine/cli/engine_client.h"

#include <httplib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "rollout_engine/cli/json_text.h"

namespace sluice {
namespace {

constexpr time_t kConnectTimeoutSeconds = 5;
constexpr time_t kAnswerTimeoutSeconds = 60;
constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20;
constexpr int kPagesMax = 1'000;
constexpr std::size_t kUploadPieceBytes = std::size_t{256} * 1024;

httplib::Client Connect(const std::string& socket_path) {
  httplib::Client client(socket_path);
  client.set_address_family(AF_UNIX);
  client.set_connection_timeout(kConnectTimeoutSeconds);
  client.set_read_timeout(kAnswerTimeoutSeconds);
  client.set_write_timeout(kAnswerTimeoutSeconds);
  client.set_default_headers({{"Host", "localhost"}, {"Accept", "application/json"}});
  return client;
}

Error ProblemOf(int status, const std::string& body) {
  const Json problem = Json::parse(body, nullptr, false);
  const auto code = problem.is_object() ? CodeFromName(TextAt(problem, "code")) : std::nullopt;
  if (code && *code != ErrorCode::kOk) return {*code, TextAt(problem, "detail")};
  const ErrorCode fallback = status == 404 ? ErrorCode::kNotFound : ErrorCode::kInternal;
  return {fallback, "the engine answered " + std::to_string(status) +
                        (problem.is_object() ? " with code '" + TextAt(problem, "code") +
                                                   "': " + TextAt(problem, "detail")
                                             : std::string(" without saying why"))};
}

Error FailureOf(httplib::Error failure, const std::string& socket_path) {
  if (failure == httplib::Error::Canceled) {
    return {ErrorCode::kTooBig,
            "the engine's answer is longer than " + std::to_string(kAnswerBytesMax) + " bytes"};
  }
  if (failure == httplib::Error::Connection) {
    if (access(socket_path.c_str(), W_OK) != 0 && errno == EACCES) {
      return {ErrorCode::kNotConnected,
              socket_path + " is not open to this user; join the engine's group"};
    }
    return {ErrorCode::kNotConnected, "no engine answers at " + socket_path +
                                          "; start sluiced or name its socket with --socket"};
  }
  return {ErrorCode::kTimeout, "the engine at " + socket_path +
                                   " took the request but did not answer (" +
                                   httplib::to_string(failure) + "); look before you repeat it"};
}

std::string Target(const std::string& path, const EngineClient::Query& query) {
  httplib::Params parameters;
  for (const auto& [name, value] : query) {
    if (!value.empty()) parameters.emplace(name, value);
  }
  return parameters.empty() ? path : httplib::append_query_params(path, parameters);
}

Result<std::string> Send(const std::string& socket_path, httplib::Request request) {
  httplib::Client client = Connect(socket_path);
  std::string body;
  request.content_receiver = [&body](const char* data, std::size_t size, std::uint64_t,
                                     std::uint64_t) {
    if (body.size() + size > kAnswerBytesMax) return false;
    body.append(data, size);
    return true;
  };
  const httplib::Result result = client.send(request);
  if (!result) return Fail(FailureOf(result.error(), socket_path));
  if (result->status < 200 || result->status > 299) return Fail(ProblemOf(result->status, body));
  return body;
}

}  // namespace

Result<std::string> EngineClient::Get(const std::string& path, const Query& query) const {
  httplib::Request request;
  request.method = "GET";
  request.path = Target(path, query);
  return Send(socket_path_, std::move(request));
}

Result<std::string> EngineClient::GetAll(const std::string& path, Query query) const {
  query["limit"] = std::to_string(kPageItems);
  Json all;
  for (int page = 0; page < kPagesMax; ++page) {
    SLUICE_ASSIGN(const std::string body, Get(path, query));
    SLUICE_ASSIGN(Json list, ParseJson(body));
    const std::string next = TextAt(list, "next_cursor");
    if (page == 0) {
      all = std::move(list);
    } else {
      for (const Json& item : ItemsAt(list, "items")) all["items"].push_back(item);
    }
    if (next.empty() || next == query["cursor"]) break;
    query["cursor"] = next;
  }
  all.erase("next_cursor");
  return all.dump();
}

Result<std::string> EngineClient::Post(const std::string& path, const Query& query,
                                       std::string body, const std::string& content_type,
                                       const std::string& operation_id) const {
  httplib::Request request;
  request.method = "POST";
  request.path = Target(path, query);
  request.body = std::move(body);
  request.set_header("Content-Type", content_type);
  if (!operation_id.empty()) request.set_header("Idempotency-Key", operation_id);
  return Send(socket_path_, std::move(request));
}

Status EngineClient::PutObject(const ObjectStore& objects, const Digest& object) const {
  SLUICE_ASSIGN(const std::uint64_t size_bytes, objects.SizeOf(object));
  httplib::Client client = Connect(socket_path_);
  const std::string path = "/v1/objects/" + object.Hex();
  const httplib::Result held = client.Head(path);
  if (!held) return Fail(FailureOf(held.error(), socket_path_));
  if (held->status == 200) return {};

  Status read;
  const auto provide = [&](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
    Bytes piece(std::min(length, kUploadPieceBytes));
    read = objects.ReadAt(object, offset, piece);
    return read.has_value() &&
           sink.write(reinterpret_cast<const char*>(piece.data()), piece.size());
  };
  const httplib::Result put =
      client.Put(path, static_cast<std::size_t>(size_bytes), provide, "application/octet-stream");
  if (!read) return Fail(read.error());
  if (!put) return Fail(FailureOf(put.error(), socket_path_));
  if (put->status < 200 || put->status > 299) return Fail(ProblemOf(put->status, put->body));
  return {};
}

}  // namespace sluice
