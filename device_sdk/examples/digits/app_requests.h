// What hooks ask of the application, and its answers.
#pragma once

#include "device_sdk/examples/digits/app_socket.h"
#include "device_sdk/examples/digits/serving_model.h"

namespace sluice::digits {

std::string ActivateRequest(std::chrono::microseconds latency_limit);
std::string HealthRequest();

/// Answers one request: the line of JSON that the hook prints. Whatever is wrong with the request
/// becomes an ErrorAnswer.
std::string AnswerRequest(ServingModel& model, const Packet& request);

}  // namespace sluice::digits
