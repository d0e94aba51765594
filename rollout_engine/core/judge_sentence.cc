#include "rollout_engine/core/judge_sentence.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/base/check.h"

namespace sluice {
namespace {

constexpr std::string_view kNoControl = "no control arm (first release)";

std::string Format(double value, std::chars_format format, int precision) {
  std::array<char, 400> text;  // DBL_MAX has 309 digits before the point
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, format, precision);
  SLUICE_CHECK(end.ec == std::errc());
  return std::string(text.data(), end.ptr);
}

std::string TwoDigits(std::int64_t value) {
  return (value < 10 ? "0" : "") + std::to_string(value);
}

std::string HoursMinutes(std::int64_t elapsed_s) {
  return TwoDigits(elapsed_s / 3600) + ":" + TwoDigits(elapsed_s % 3600 / 60);
}

std::string InScope(const Finding& finding) {
  return finding.scope->is_fleet ? "" : " in hardware model " + finding.scope->name;
}

std::string Join(std::span<const std::string> keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "" : ", ") + key;
  return text;
}

std::string VerdictEvidence(const Finding& finding) {
  const VerdictResult& verdict = *finding.verdict;
  const bool absolute = finding.scope->comparison == Comparison::kAbsolute;
  std::string text = std::string(finding.name) + " " + std::to_string(verdict.x) + "/" +
                     std::to_string(verdict.m) + " devices" + InScope(finding);
  if (!absolute) {
    text += " vs control " + std::to_string(verdict.x0) + "/" + std::to_string(verdict.m0);
  }
  text += " (allowed " + Fixed4(verdict.p0) + ", p=" + Scientific1(verdict.p_value);
  return text + (absolute ? "; " + std::string(kNoControl) : "") + ")";
}

std::string RatioEvidence(const Finding& finding) {
  const RatioResult& ratio = *finding.ratio;
  const std::string control =
      finding.scope->comparison == Comparison::kAbsolute
          ? std::string(kNoControl)
          : "control " + Fixed4(ratio.control_raw) + " on " + std::to_string(ratio.m_control);
  return std::string(finding.name) + " " + Fixed4(ratio.theta) + " [" +
         Fixed4(std::max(0.0, ratio.lcb)) + ", " +
         Fixed4(ratio.theta + ratio.b_rollback * ratio.se) + "] > " + Shortest6(finding.limit) +
         " on " + std::to_string(*ratio.m) + " devices" + InScope(finding) + " (" +
         (finding.window == Window::kCumulative ? "cumulative" : "epoch") + " window; " + control +
         ")";
}

}  // namespace

std::string Fixed4(double value) { return Format(value, std::chars_format::fixed, 4); }
std::string Shortest6(double value) { return Format(value, std::chars_format::general, 6); }
std::string Scientific1(double value) { return Format(value, std::chars_format::scientific, 1); }

std::string RolledBackSentence(const Finding& finding, std::int64_t elapsed_s) {
  return "rolled back at " + HoursMinutes(elapsed_s) + " because " +
         (finding.verdict != nullptr ? VerdictEvidence(finding) : RatioEvidence(finding));
}

std::string HeldSentence(const Finding& finding, double tau) {
  const RatioResult& ratio = *finding.ratio;
  const std::string exceeds = "holding: " + std::string(finding.name) + " " + Fixed4(ratio.theta) +
                              " > " + Shortest6(finding.limit);
  if (ratio.env_shared.value_or(false)) {
    return exceeds + " but control is equally affected (environment, not the model)";
  }
  const auto devices = static_cast<std::size_t>(*ratio.m);
  return exceeds + " comes from at most " + std::to_string(TrimmedCount(tau, devices)) + " of " +
         std::to_string(devices) + " devices; without them " + Fixed4(*ratio.trimmed);
}

std::string SoakingSentence(std::span<const std::string> suspicious) {
  if (suspicious.empty()) return "soaking: no criterion shown violated";
  return "soaking, expansion paused: suspicious but not proven: " + Join(suspicious);
}

std::string NotShownSentence(std::span<const std::string> keys) {
  return "holding at soak end: not yet shown within limits: " + Join(keys);
}

std::string PromotedSentence(const Finding& finding) {
  const std::string head = "promoted: every criterion shown within limits on ";
  const bool absolute = finding.scope->comparison == Comparison::kAbsolute;
  const std::string tail = absolute ? "; " + std::string(kNoControl) : "";
  if (finding.ratio == nullptr) {
    return head + std::to_string(finding.verdict->m) + " devices (" + std::string(finding.name) +
           " " + std::to_string(finding.verdict->x) + "/" + std::to_string(finding.verdict->m) +
           tail + ")";
  }
  const RatioResult& ratio = *finding.ratio;
  return head + std::to_string(*ratio.m) + " devices (" + std::string(finding.name) + " " +
         Fixed4(ratio.theta) + ", upper bound " + Fixed4(ratio.ucb) +
         " <= " + Shortest6(finding.limit) + tail + ")";
}

}  // namespace sluice
