#include "rollout_engine/api/http_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "rollout_engine/api/http_routes.h"
#include "rollout_engine/registry/file_io.h"

namespace sluice {
namespace {

constexpr std::size_t kThreads = 8;
constexpr time_t kReadTimeoutS = 60;
constexpr time_t kKeepAliveS = 15;
constexpr mode_t kSocketUmask = 0117;  // leaves 0660
constexpr int kUnusedPort = 80;        // the library wants one

bool SomebodyListens(const sockaddr_un& address) {
  const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return socket.valid() &&
         ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

/// Removes what a dead engine left; never a socket that is in use, never another kind of file.
Status ClearPath(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Fail(ErrorCode::kUsage, "socket path '" + path + "' has " + std::to_string(path.size()) +
                                       " characters; allowed 1 to " +
                                       std::to_string(sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode))
    return Fail(ErrorCode::kConflict, path + " is there and no socket; pass another --socket");
  if (SomebodyListens(address))
    return Fail(ErrorCode::kLocked, path + ": another engine listens there; stop it first");
  if (::unlink(path.c_str()) != 0) return Fail(FileError(path, errno));
  return {};
}

}  // namespace

struct HttpServer::Impl {
  Impl(EngineLoop& loop, const ObjectStore& objects) : context{loop, objects} {}
  http::Context context;
  httplib::Server server;
  std::thread thread;
  std::string socket_path;
};

HttpServer::HttpServer(EngineLoop& loop, const ObjectStore& objects)
    : impl_(std::make_unique<Impl>(loop, objects)) {
  httplib::Server& server = impl_->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_address_family(AF_UNIX);
  server.set_read_timeout(kReadTimeoutS);
  server.set_write_timeout(kReadTimeoutS);
  server.set_keep_alive_timeout(kKeepAliveS);
  server.set_payload_max_length(limits::kPayloadBytesMax);
  server.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
    if (!response.body.empty() || request.method == "HEAD") return;
    const ErrorCode code = response.status == 413   ? ErrorCode::kTooBig
                           : response.status == 404 ? ErrorCode::kNotFound
                                                    : ErrorCode::kUsage;
    http::SendError(response, {code, "no answer to " + request.method + " " + request.path});
  });
  server.set_exception_handler(
      [](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
        http::SendError(response, {ErrorCode::kInternal,
                                   "the request could not be answered; see the engine's log"});
      });
  http::AddEngineRoutes(server, impl_->context);
  http::AddRolloutRoutes(server, impl_->context);
  http::AddDeviceRoutes(server, impl_->context);
  http::AddReleaseRoutes(server, impl_->context);
  http::AddObjectRoutes(server, impl_->context);
}

HttpServer::~HttpServer() { Stop(); }

Status HttpServer::Start(const std::string& socket_path) {
  SLUICE_TRY(ClearPath(socket_path));
  const mode_t former = ::umask(kSocketUmask);
  const bool bound = impl_->server.bind_to_port(socket_path, kUnusedPort);
  ::umask(former);
  if (!bound)
    return Fail(ErrorCode::kIo,
                "cannot listen on " + socket_path + "; does its folder exist and is it ours?");
  impl_->socket_path = socket_path;
  impl_->thread = std::thread([this] { impl_->server.listen_after_bind(); });
  // Stop has no effect on a server that does not run yet.
  while (!impl_->server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return {};
}

void HttpServer::Stop() {
  if (!impl_->thread.joinable()) return;
  impl_->server.stop();
  impl_->thread.join();
  ::unlink(impl_->socket_path.c_str());
}

}  // namespace sluice
