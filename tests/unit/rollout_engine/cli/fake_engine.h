// An engine of canned answers on a Unix socket that remembers what it was asked.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sluice {

class FakeEngine {
 public:
  struct Answer {
    int status = 200;
    std::string body = "{}";
  };
  struct Question {
    std::string line;  // "GET /v1/rollouts?model=a"
    std::string body;
    std::string content_type;
    std::string idempotency_key;
  };

  /// Listens on `socket_path` when the constructor returns.
  explicit FakeEngine(const std::string& socket_path);
  ~FakeEngine();

  /// What "METHOD path?query" is answered: each answer once and in order, the last one for ever.
  /// Anything else is 404.
  void On(const std::string& line, std::vector<Answer> answers);
  [[nodiscard]] std::vector<Question> questions() const;

 private:
  struct Server;
  Answer Take(Question question);

  mutable std::mutex mutex_;
  std::map<std::string, std::vector<Answer>> answers_;
  std::vector<Question> questions_;
  std::unique_ptr<Server> server_;
};

}  // namespace sluice
