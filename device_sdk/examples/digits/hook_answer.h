// The one line of JSON that each hook prints: see docs/device.md, hooks.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/bytes.h"
#include "device_sdk/examples/digits/validation.h"

namespace sluice::digits {

/// What an application counts since its model was activated.
struct AppFigures {
  std::string loaded_sha256;  // "" = no model yet
  std::uint32_t inferences = 0;
  std::uint32_t errors = 0;        // scores that are no numbers
  std::uint32_t over_latency = 0;  // slower than the limit
  std::uint32_t labelled = 0;
  double score_sum = 0;  // 1 for each digit read right
  std::uint32_t rss_kb = 0;
};

std::string ValidateAnswer(const ValidationRun& run);
std::string ActivateAnswer(const std::string& loaded_sha256);
std::string HealthAnswer(const AppFigures& figures);
std::string ErrorAnswer(const Error& error);

enum class AnswerKind : std::uint8_t {
  kGood,
  kModelBad,    // an ErrorAnswer with E_LOAD: the bytes are to blame
  kCannotTell,  // any other ErrorAnswer, or no JSON object
};
AnswerKind KindOf(const std::string& answer);

/// RFC 4648, with padding.
std::string ToBase64(ByteView bytes);

}  // namespace sluice::digits
