// The engine's HTTP API on a Unix socket, as schemas/openapi.yaml has it.
#pragma once

#include <memory>
#include <string>

#include "rollout_engine/engine/engine_loop.h"

namespace sluice {

class HttpServer {
 public:
  /// Both outlive Stop.
  HttpServer(EngineLoop& loop, const ObjectStore& objects);
  ~HttpServer();

  /// Binds `socket_path`, mode 0660, and serves on threads of its own. A socket that nobody listens
  /// on is replaced; E_LOCKED when somebody does, E_USAGE for a path that is too long, E_IO.
  Status Start(const std::string& socket_path);
  /// Ends open requests and removes the socket.
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
