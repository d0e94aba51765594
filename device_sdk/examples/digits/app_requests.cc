#include "device_sdk/examples/digits/app_requests.h"

#include <nlohmann/json.hpp>

#include "device_sdk/examples/digits/descriptor.h"

namespace sluice::digits {
namespace {

using nlohmann::json;

Result<std::string> Answer(ServingModel& model, const Packet& packet) {
  const json request = json::parse(packet.text, nullptr, /*allow_exceptions=*/false);
  if (!request.is_object()) return Fail(ErrorCode::kUsage, "the request is not a JSON object");
  const auto verb = request.find("verb");
  if (verb != request.end() && *verb == "health") return HealthAnswer(model.Figures());
  if (verb == request.end() || *verb != "activate") {
    return Fail(ErrorCode::kUsage, "the request's verb is neither activate nor health");
  }
  const auto limit = request.find("latency_us_max");
  if (limit == request.end() || !limit->is_number_unsigned()) {
    return Fail(ErrorCode::kUsage, "latency_us_max is missing or no number");
  }
  if (packet.fd.get() < 0) return Fail(ErrorCode::kUsage, "no descriptor of a model came along");
  SLUICE_ASSIGN(const Bytes bytes, ReadDescriptor(packet.fd.get()));
  SLUICE_TRY(model.Activate(bytes, std::chrono::microseconds(limit->get<std::uint32_t>())));
  return ActivateAnswer(model.Figures().loaded_sha256);
}

}  // namespace

std::string ActivateRequest(std::chrono::microseconds latency_limit) {
  return json{{"verb", "activate"},
              {"latency_us_max", static_cast<std::uint64_t>(latency_limit.count())}}
      .dump();
}

std::string HealthRequest() { return json{{"verb", "health"}}.dump(); }

std::string AnswerRequest(ServingModel& model, const Packet& request) {
  const Result<std::string> answer = Answer(model, request);
  return answer.has_value() ? *answer : ErrorAnswer(answer.error());
}

}  // namespace sluice::digits
