// A YAML document as a bounded tree that knows its lines: no anchors, no duplicate keys, no second
// document.
//
// The only include of yaml-cpp is in yaml_tree.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice {

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kMap, kSequence };
  Kind kind = Kind::kNull;
  int line = 0;                    // from 1
  std::string text;                // of a scalar
  bool quoted = false;             // "5" is text, 5 is a number
  std::vector<YamlEntry> entries;  // of a map, in the order of the file
  std::vector<YamlNode> items;     // of a sequence
};

struct YamlEntry {
  std::string key;
  int line = 0;
  YamlNode value;
};

struct YamlLimits {
  std::size_t bytes_max = 0;
  int depth_max = 0;
  std::size_t nodes_max = 0;
};

/// E_YAML_LIMIT, E_YAML_SYNTAX (encoding, tabs, a second document too), E_YAML_ALIAS, E_YAML_DEPTH,
/// E_YAML_DUPLICATE, E_YAML_TYPE (an explicit tag, a key that is no text). A UTF-8 byte order mark
/// and CRLF are read as if not there.
Result<YamlNode> ParseYaml(std::string_view text, const YamlLimits& limits);

}  // namespace sluice
