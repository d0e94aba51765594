// The engine's HTTP API over its Unix socket, as schemas/openapi.yaml has it.
#pragma once

#include <map>
#include <string>

#include "common/base/bytes.h"
#include "rollout_engine/registry/object_store.h"

namespace sluice {

/// What a page of a list may hold at most.
inline constexpr std::size_t kPageItems = 1'000;

/// The body of an answer in 200..299. Everything else is an Error: the `code` and `detail` of the
/// engine's problem, or E_NOT_CONNECTED, E_TIMEOUT, E_TOO_BIG.
class EngineClient {
 public:
  explicit EngineClient(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  using Query = std::map<std::string, std::string>;
  /// Empty values are left out of the query.
  Result<std::string> Get(const std::string& path, const Query& query = {}) const;
  /// A list with the items of all its pages.
  Result<std::string> GetAll(const std::string& path, Query query = {}) const;
  Result<std::string> Post(const std::string& path, const Query& query, std::string body,
                           const std::string& content_type,
                           const std::string& operation_id = {}) const;
  /// Uploads an object unless the engine has it. Streams: an artifact may be larger than memory.
  Status PutObject(const ObjectStore& objects, const Digest& object) const;

 private:
  std::string socket_path_;
};

}  // namespace sluice
