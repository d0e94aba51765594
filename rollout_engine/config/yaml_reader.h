// Reads one YAML map field by field into typed values, and names path, line and allowed range when
// it cannot.
//
// A field that is absent leaves its value as it is, so that defaults live in the structs and
// nowhere else.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "rollout_engine/config/yaml_tree.h"
#include "rollout_engine/core/rollout_spec.h"

namespace sluice {

/// What a number may be, as the error prints it.
struct NumberRange {
  double low = 0;
  double high = 0;
  bool low_allowed = true;
  bool high_allowed = true;
  bool whole = false;
  std::string_view unit = "";

  [[nodiscard]] bool Holds(double value) const;
  [[nodiscard]] std::string Text() const;
};

class YamlReader {
 public:
  /// E_YAML_TYPE if `node` is no map, E_YAML_UNKNOWN_KEY (with the nearest known one) if it has a
  /// key that is not in `known`. REQUIRES: `node` outlives the reader.
  static Result<YamlReader> Open(const YamlNode& node, std::string path,
                                 std::initializer_list<std::string_view> known);

  [[nodiscard]] const YamlEntry* Find(std::string_view key) const;
  /// "stages[0].target_percent" for a key of this map.
  [[nodiscard]] std::string PathOf(std::string_view key) const;
  /// E_CFG_INCOMPLETE if `key` is absent.
  [[nodiscard]] Status Require(std::string_view key) const;

  Status Number(std::string_view key, const NumberRange& range, double& value) const;
  Status Number(std::string_view key, const NumberRange& range, std::optional<double>& value) const;
  template <class Integer>
  Status Whole(std::string_view key, NumberRange range, Integer& value) const;
  /// A number of `unit_ms` milliseconds.
  Status Duration(std::string_view key, const NumberRange& range, std::int64_t unit_ms,
                  std::int64_t& value_ms) const;
  /// A number with at most three decimals.
  Status Percent(std::string_view key, const NumberRange& range, MilliPercent& value) const;
  Status Boolean(std::string_view key, bool& value) const;
  /// Any text of [A-Za-z0-9._-]{1,64} that does not start with '.', else E_BAD_ID.
  Status Id(std::string_view key, std::string& value) const;
  Status Text(std::string_view key, std::string& value) const;
  template <class Choice>
  Status OneOf(std::string_view key,
               std::initializer_list<std::pair<std::string_view, Choice>> choices,
               Choice& value) const;

  /// An error about the value of `key`, which is there: "PATH, line N: text".
  [[nodiscard]] tl::unexpected<Error> Complain(ErrorCode code, std::string_view key,
                                               std::string_view text) const;

 private:
  YamlReader(const YamlNode& node, std::string path) : node_(&node), path_(std::move(path)) {}
  [[nodiscard]] Result<const YamlNode*> Scalar(const YamlEntry& entry,
                                               std::string_view expected) const;
  [[nodiscard]] Result<double> ReadNumber(const YamlEntry& entry, const NumberRange& range) const;

  const YamlNode* node_;
  std::string path_;
};

/// `text` in quotes for an error: on one line, shortened.
std::string Shown(std::string_view text);
/// Of `names` the one that a person most likely meant, or "".
std::string_view NearestName(std::string_view written,
                             std::initializer_list<std::string_view> names);

template <class Integer>
Status YamlReader::Whole(std::string_view key, NumberRange range, Integer& value) const {
  range.whole = true;
  double number = static_cast<double>(value);
  SLUICE_TRY(Number(key, range, number));
  value = static_cast<Integer>(number);
  return {};
}

template <class Choice>
Status YamlReader::OneOf(std::string_view key,
                         std::initializer_list<std::pair<std::string_view, Choice>> choices,
                         Choice& value) const {
  const YamlEntry* entry = Find(key);
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(const YamlNode* const scalar, Scalar(*entry, "a word"));
  std::string allowed;
  for (const auto& [name, choice] : choices) {
    if (scalar->text == name) {
      value = choice;
      return {};
    }
    allowed += (allowed.empty() ? "" : " | ") + std::string(name);
  }
  return Complain(ErrorCode::kCfgRange, key, Shown(scalar->text) + "; allowed " + allowed);
}

}  // namespace sluice
