// /v1/objects: straight to the object store, beside the engine's thread.
#include "rollout_engine/api/http_routes.h"

namespace sluice::http {
namespace {

void Put(const Context& context, const httplib::Request& request, httplib::Response& response,
         const httplib::ContentReader& read_content) {
  const auto digest = DigestFromHex(std::string(request.matches[1]));
  if (!digest) return SendError(response, digest.error());
  auto writer = context.objects.NewObject();
  if (!writer) return SendError(response, writer.error());
  Status appended;
  read_content([&](const char* data, std::size_t size) {
    appended = writer->Append(AsBytes({data, size}));
    return appended.has_value();
  });
  if (!appended) return SendError(response, appended.error());
  const auto stored = writer->Commit(*digest);
  if (!stored) return SendError(response, stored.error());
  SendJson(response, {{"sha256", stored->sha256.Hex()}, {"size_bytes", stored->size_bytes}},
           stored->was_there ? 200 : 201);
}

}  // namespace

void AddObjectRoutes(httplib::Server& server, const Context& context) {
  // HEAD is routed as GET; there is nothing to get here, devices fetch by chunks.
  server.Get(R"(/v1/objects/([^/]+))", [context](const httplib::Request& request,
                                                 httplib::Response& response) {
    const auto digest = DigestFromHex(std::string(request.matches[1]));
    if (!digest) return SendError(response, digest.error());
    if (request.method != "HEAD" || !context.objects.Has(*digest)) {
      SendError(response, {ErrorCode::kNotFound, "no object " + digest->Hex() + " to read here"});
    }
  });
  server.Put(R"(/v1/objects/([^/]+))",
             [context](const httplib::Request& request, httplib::Response& response,
                       const httplib::ContentReader& read_content) {
               Put(context, request, response, read_content);
             });
}

}  // namespace sluice::http
