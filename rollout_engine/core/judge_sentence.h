// The sentences that explain a decision. Same numbers, same bytes: no locale.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "rollout_engine/core/judge_scope.h"

namespace sluice {

/// A test of a look that a sentence can name.
struct Finding {
  const Scope* scope = nullptr;
  std::string_view name;  // of the metric or verdict test
  Window window = Window::kCumulative;
  double limit = 0;                    // of a ratio
  const RatioResult* ratio = nullptr;  // exactly one of these two
  const VerdictResult* verdict = nullptr;
};

std::string RolledBackSentence(const Finding& finding, std::int64_t elapsed_s);
std::string HeldSentence(const Finding& finding, double tau);
/// `suspicious` = keys whose brake is on.
std::string SoakingSentence(std::span<const std::string> suspicious);
std::string NotShownSentence(std::span<const std::string> keys);
/// `finding`: the first ratio that was tested on the fleet, or the lost-device test if there is
/// none.
std::string PromotedSentence(const Finding& finding);

/// "%.4f", "%g" and "%.1e" of C, whatever the locale.
std::string Fixed4(double value);
std::string Shortest6(double value);
std::string Scientific1(double value);

}  // namespace sluice
