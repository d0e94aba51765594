#include "device_sdk/examples/digits/hook_answer.h"

#include <nlohmann/json.hpp>

namespace sluice::digits {

using nlohmann::ordered_json;

std::string ToBase64(ByteView bytes) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) group = group << 8 | (i < count ? bytes[at + i] : 0U);
    for (std::size_t i = 0; i < 4; ++i) {
      text += i <= count ? kAlphabet[group >> (18 - 6 * i) & 63U] : '=';
    }
  }
  return text;
}

std::string ValidateAnswer(const ValidationRun& run) {
  const ordered_json answer = {{"n", run.n},
                               {"errors", 0},
                               {"nonfinite", run.non_finite},
                               {"latency_us_p99", run.latency_us_p99},
                               {"slow", run.slow},
                               {"scores", ToBase64(run.scores)}};
  return answer.dump();
}

std::string ActivateAnswer(const std::string& loaded_sha256) {
  return ordered_json{{"loaded_sha256", loaded_sha256}}.dump();
}

std::string HealthAnswer(const AppFigures& figures) {
  const ordered_json answer = {{"loaded_sha256", figures.loaded_sha256},
                               {"inferences", figures.inferences},
                               {"errors", figures.errors},
                               {"over_latency", figures.over_latency},
                               {"labelled", figures.labelled},
                               {"score_sum", figures.score_sum},
                               {"rss_kb", figures.rss_kb}};
  return answer.dump();
}

std::string ErrorAnswer(const Error& error) {
  return ordered_json{{"error", CodeName(error.code)}, {"text", error.text}}.dump();
}

AnswerKind KindOf(const std::string& answer) {
  const ordered_json parsed = ordered_json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return AnswerKind::kCannotTell;
  const auto error = parsed.find("error");
  if (error == parsed.end()) return AnswerKind::kGood;
  return *error == CodeName(ErrorCode::kLoad) ? AnswerKind::kModelBad : AnswerKind::kCannotTell;
}

}  // namespace sluice::digits
