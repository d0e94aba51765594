#include "tests/unit/rollout_engine/cli/fake_engine.h"

#include <httplib.h>

#include <algorithm>
#include <thread>

#include "common/base/check.h"

namespace sluice {

struct FakeEngine::Server {
  httplib::Server http;
  std::thread thread;
};

FakeEngine::FakeEngine(const std::string& socket_path) : server_(std::make_unique<Server>()) {
  httplib::Server& http = server_->http;
  http.set_address_family(AF_UNIX);
  // Before routing, so that one handler sees every method; a PUT's body still has to be read.
  const auto answer = [this](const httplib::Request& request, httplib::Response& response,
                             std::string body) {
    const Answer taken = Take({request.method + " " + request.target, std::move(body),
                               request.get_header_value("Content-Type"),
                               request.get_header_value("Idempotency-Key")});
    response.status = taken.status;
    response.set_content(taken.body,
                         taken.status < 300 ? "application/json" : "application/problem+json");
  };
  http.Get(".*", [answer](const auto& request, auto& response) { answer(request, response, ""); });
  http.Post(".*", [answer](const httplib::Request& request, httplib::Response& response) {
    answer(request, response, request.body);
  });
  http.Put(".*", [answer](const httplib::Request& request, httplib::Response& response,
                          const httplib::ContentReader& read) {
    std::string body;
    read([&body](const char* data, std::size_t size) {
      body.append(data, size);
      return true;
    });
    answer(request, response, std::move(body));
  });
  constexpr int kUnusedPort = 1;
  SLUICE_CHECK(http.bind_to_port(socket_path.c_str(), kUnusedPort));
  server_->thread = std::thread([&http] { http.listen_after_bind(); });
  while (!http.is_running()) std::this_thread::yield();
}

FakeEngine::~FakeEngine() {
  server_->http.stop();
  server_->thread.join();
}

void FakeEngine::On(const std::string& line, std::vector<Answer> answers) {
  const std::lock_guard lock(mutex_);
  std::reverse(answers.begin(), answers.end());  // the next one is at the back
  answers_[line] = std::move(answers);
}

FakeEngine::Answer FakeEngine::Take(Question question) {
  const std::lock_guard lock(mutex_);
  const auto found = answers_.find(question.line);
  questions_.push_back(std::move(question));
  if (found == answers_.end()) {
    return {404, R"({"status":404,"code":"E_NOT_FOUND","detail":"nothing here"})"};
  }
  Answer answer = found->second.back();
  if (found->second.size() > 1) found->second.pop_back();
  return answer;
}

std::vector<FakeEngine::Question> FakeEngine::questions() const {
  const std::lock_guard lock(mutex_);
  return questions_;
}

}  // namespace sluice
