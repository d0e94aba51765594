// Limits of the rules: what a file may hold, what a message may cost, what is remembered.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::limits {

// The file
inline constexpr std::size_t kRuleFileBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kRuleFileNodesMax = 200'000;
inline constexpr int kRuleFileDepthMax = 12;
inline constexpr std::size_t kRulesMax = 2'000;
inline constexpr std::size_t kRuleNameMax = 48;
inline constexpr std::size_t kActionsPerRuleMax = 6;
inline constexpr std::int64_t kRuleTimeMin = 1'000;                 // ms, of `for` and `every`
inline constexpr std::int64_t kRuleTimeMax = 7LL * 24 * 3'600'000;  // ms

// Topics
inline constexpr std::size_t kRuleTopicBytesMax = 256;
inline constexpr std::size_t kRuleTopicLevelsMax = 16;
inline constexpr std::size_t kCaptureNameMax = 32;

// Expressions and templates
inline constexpr std::size_t kExpressionBytesMax = 1'024;
inline constexpr std::size_t kExpressionNodesMax = 256;
inline constexpr int kExpressionDepthMax = 32;
inline constexpr std::size_t kExpressionListMax = 64;
inline constexpr std::size_t kPathStepsMax = 16;
inline constexpr std::size_t kPathIndexMax = 65'535;
inline constexpr std::size_t kRegexBytesMax = 256;
inline constexpr std::int64_t kRegexMemoryMax = std::int64_t{256} << 10;  // bytes, of one program
inline constexpr std::size_t kTemplateBytesMax = 1'024;
inline constexpr std::size_t kRenderedBytesMax = 4'096;  // of one text or payload
inline constexpr std::size_t kRenderedKeyBytesMax = 256;
inline constexpr std::size_t kPayloadTemplateNodesMax = 128;

// Messages
inline constexpr std::size_t kRulePayloadBytesMax = 65'536;
inline constexpr std::size_t kPayloadIdBytesMax = 128;

// Acting
inline constexpr std::int64_t kRepeatWindow = 60'000;  // ms, in which equal content is one trigger
inline constexpr std::int64_t kRateWindow = 60'000;    // ms
inline constexpr std::size_t kActionsPerRuleWindow = 6;
inline constexpr std::size_t kActionsPerWindow = 60;
inline constexpr std::size_t kProblemsPerRuleWindow = 6;  // told; all are counted

// Remembered, oldest forgotten first
inline constexpr std::int64_t kTriggerIdKept = 7LL * 24 * 3'600'000;  // ms
inline constexpr std::size_t kTriggersKept = 10'000;
inline constexpr std::size_t kOncePerKept = 10'000;
inline constexpr std::size_t kHoldsMax = 2'000;  // conditions that wait for their `for`

}  // namespace sluice::limits
