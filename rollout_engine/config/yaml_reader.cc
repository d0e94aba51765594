#include "rollout_engine/config/yaml_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "common/contract/topics.h"

namespace sluice {
namespace {

constexpr std::size_t kShownTextMax = 40;  // bytes of a wrong value, in an error
constexpr double kMilli = 1'000;

std::string CommaLine(int line) { return ", line " + std::to_string(line); }

std::string NumberText(double value) {
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), end.ptr);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// JSON's number grammar, which has no octal, no underscore, no sign in front, no NaN. Nothing for
/// all else.
std::optional<double> ParseNumber(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  if (digits.empty() || !IsDigit(digits.front()) || !IsDigit(text.back())) return std::nullopt;
  if (digits.size() > 1 && digits[0] == '0' && IsDigit(digits[1])) return std::nullopt;
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  return value;
}

/// A person meant a number and wrote it in a way that YAML readers understand differently.
bool LooksLikeNumber(const YamlNode& scalar) {
  if (scalar.quoted || scalar.text.empty()) return false;
  const char first = scalar.text.front();
  std::string lower = scalar.text;
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return IsDigit(first) || first == '-' || first == '+' || first == '.' || lower == "nan" ||
         lower == "inf";
}

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

bool NumberRange::Holds(double value) const {
  const bool above = low_allowed ? value >= low : value > low;
  const bool below = high_allowed ? value <= high : value < high;
  return above && below && (!whole || value == std::floor(value));
}

std::string NumberRange::Text() const {
  std::string text = whole ? "a whole number " : "";
  text += low_allowed ? "from " + NumberText(low) : "above " + NumberText(low);
  text += high_allowed ? " to " + NumberText(high) : " and below " + NumberText(high);
  return text + (unit.empty() ? "" : " " + std::string(unit));
}

Result<YamlReader> YamlReader::Open(const YamlNode& node, std::string path,
                                    std::initializer_list<std::string_view> known) {
  if (node.kind != YamlNode::Kind::kMap) {
    return Fail(ErrorCode::kYamlType, (path.empty() ? "the file" : path) + CommaLine(node.line) +
                                          ": expected a map of names and values");
  }
  YamlReader reader(node, std::move(path));
  for (const YamlEntry& entry : node.entries) {
    if (std::ranges::find(known, entry.key) != known.end()) continue;
    const std::string_view nearest = NearestName(entry.key, known);
    return Fail(ErrorCode::kYamlUnknownKey,
                reader.PathOf(entry.key) + CommaLine(entry.line) +
                    (nearest.empty() ? std::string(": remove it")
                                     : "; did you mean " + std::string(nearest) + "?"));
  }
  return reader;
}

const YamlEntry* YamlReader::Find(std::string_view key) const {
  const auto found = std::ranges::find(node_->entries, key, &YamlEntry::key);
  return found == node_->entries.end() ? nullptr : &*found;
}

std::string YamlReader::PathOf(std::string_view key) const {
  return path_ + (path_.empty() ? "" : ".") + std::string(key);
}

Status YamlReader::Require(std::string_view key) const {
  if (Find(key) != nullptr) return {};
  return Fail(ErrorCode::kCfgIncomplete,
              PathOf(key) + " is missing" + CommaLine(node_->line) + "; add it");
}

tl::unexpected<Error> YamlReader::Complain(ErrorCode code, std::string_view key,
                                           std::string_view text) const {
  return Fail(code, PathOf(key) + CommaLine(Find(key)->line) + ": " + std::string(text));
}

Result<const YamlNode*> YamlReader::Scalar(const YamlEntry& entry,
                                           std::string_view expected) const {
  if (entry.value.kind == YamlNode::Kind::kScalar) return &entry.value;
  const char* const found = entry.value.kind == YamlNode::Kind::kNull  ? "nothing"
                            : entry.value.kind == YamlNode::Kind::kMap ? "a map"
                                                                       : "a list";
  return Complain(ErrorCode::kYamlType, entry.key,
                  std::string(found) + "; expected " + std::string(expected));
}

Result<double> YamlReader::ReadNumber(const YamlEntry& entry, const NumberRange& range) const {
  SLUICE_ASSIGN(const YamlNode* const scalar, Scalar(entry, "a number"));
  const std::optional<double> value = scalar->quoted ? std::nullopt : ParseNumber(scalar->text);
  if (value.has_value() && range.Holds(*value)) return *value;
  if (value.has_value() || LooksLikeNumber(*scalar)) {
    return Complain(ErrorCode::kCfgRange, entry.key,
                    Shown(scalar->text) + "; allowed " + range.Text());
  }
  return Complain(ErrorCode::kYamlType, entry.key,
                  Shown(scalar->text) + " is no number; allowed " + range.Text());
}

Status YamlReader::Number(std::string_view key, const NumberRange& range, double& value) const {
  const YamlEntry* entry = Find(key);
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(value, ReadNumber(*entry, range));
  return {};
}

Status YamlReader::Number(std::string_view key, const NumberRange& range,
                          std::optional<double>& value) const {
  const YamlEntry* entry = Find(key);
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(value, ReadNumber(*entry, range));
  return {};
}

Status YamlReader::Duration(std::string_view key, const NumberRange& range, std::int64_t unit_ms,
                            std::int64_t& value_ms) const {
  const YamlEntry* entry = Find(key);
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(const double value, ReadNumber(*entry, range));
  value_ms = std::llround(value * static_cast<double>(unit_ms));
  if (value_ms > 0 || range.Holds(0)) return {};
  return Complain(ErrorCode::kCfgRange, key,
                  Shown(entry->value.text) + " is less than a millisecond");
}

Status YamlReader::Percent(std::string_view key, const NumberRange& range,
                           MilliPercent& value) const {
  const YamlEntry* entry = Find(key);
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(const double percent, ReadNumber(*entry, range));
  const double milli = std::round(percent * kMilli);
  if (std::abs(percent * kMilli - milli) > 1e-6 || (milli == 0 && percent != 0)) {
    return Complain(ErrorCode::kCfgRange, key,
                    Shown(entry->value.text) + "; allowed at most three decimals");
  }
  value = static_cast<MilliPercent>(milli);
  return {};
}

Status YamlReader::Boolean(std::string_view key, bool& value) const {
  const YamlEntry* entry = Find(key);
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(const YamlNode* const scalar, Scalar(*entry, "true or false"));
  if (scalar->quoted || (scalar->text != "true" && scalar->text != "false")) {
    return Complain(ErrorCode::kYamlType, key, Shown(scalar->text) + "; allowed true or false");
  }
  value = scalar->text == "true";
  return {};
}

Status YamlReader::Text(std::string_view key, std::string& value) const {
  const YamlEntry* entry = Find(key);
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(const YamlNode* const scalar, Scalar(*entry, "a text"));
  value = scalar->text;
  return {};
}

Status YamlReader::Id(std::string_view key, std::string& value) const {
  std::string text = value;
  SLUICE_TRY(Text(key, text));
  if (Find(key) != nullptr && !IsRegistryId(text)) {
    return Complain(ErrorCode::kBadId, key,
                    Shown(text) + "; allowed [A-Za-z0-9._-]{1,64}, not starting with '.'");
  }
  value = std::move(text);
  return {};
}

std::string Shown(std::string_view text) {
  std::size_t length = std::min(text.size(), kShownTextMax);
  const auto continues = [&](std::size_t i) {
    return (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
  };
  while (length < text.size() && continues(length)) --length;  // never half a character
  std::string shown(text.substr(0, length));
  std::ranges::replace_if(
      shown, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return "\"" + shown + (length < text.size() ? "..." : "") + "\"";
}

std::string_view NearestName(std::string_view written,
                             std::initializer_list<std::string_view> names) {
  std::string_view nearest;
  std::size_t best = std::max<std::size_t>(2, written.size() / 3) + 1;  // farther is no misspelling
  for (const std::string_view name : names) {
    const std::size_t distance = EditDistance(written, name);
    if (distance >= best) continue;
    best = distance;
    nearest = name;
  }
  return nearest;
}

}  // namespace sluice
