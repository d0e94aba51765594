#include "rollout_engine/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "common/base/utf8.h"

namespace sluice {
namespace {

constexpr std::size_t kKeyBytesMax = 64;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string AtLine(int line) { return "line " + std::to_string(line); }

/// Leaves yaml-cpp from within one of its callbacks; caught below.
struct Refusal {
  Error error;
};

[[noreturn]] void Refuse(ErrorCode code, std::string text) {
  throw Refusal{{code, std::move(text)}};
}

/// Builds the tree from the parser's events, so that no alias is ever followed and no limit ever
/// passed.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1)
      Refuse(ErrorCode::kYamlSyntax, AtLine(mark.line + 1) + ": a second document; write one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(MakeNode(YamlNode::Kind::kNull, mark, "", anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override { RefuseAlias(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = MakeNode(YamlNode::Kind::kScalar, mark, tag, anchor);
    node.text = value;
    node.quoted = tag == "!";
    if (!stack_.empty() && stack_.back().node.kind == YamlNode::Kind::kMap &&
        !stack_.back().key.has_value()) {
      SetKey(std::move(node));
      return;
    }
    Add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Open(MakeNode(YamlNode::Kind::kSequence, mark, tag, anchor));
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(MakeNode(YamlNode::Kind::kMap, mark, tag, anchor));
  }
  void OnMapEnd() override { Close(); }

  YamlNode TakeRoot() { return std::move(root_); }

 private:
  struct Key {
    std::string text;
    int line = 0;
  };
  struct Frame {
    YamlNode node;
    std::optional<Key> key;  // of a map: whose value comes next
  };

  YamlNode MakeNode(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
                    YAML::anchor_t anchor) {
    if (anchor != 0) RefuseAlias(mark);
    if (!tag.empty() && tag != "?" && tag != "!") {
      Refuse(ErrorCode::kYamlType, AtLine(mark.line + 1) + ": a tag; write the value without one");
    }
    if (++nodes_ > limits_.nodes_max) {
      Refuse(ErrorCode::kYamlLimit, AtLine(mark.line + 1) + ": more than " +
                                        std::to_string(limits_.nodes_max) + " values");
    }
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    return node;
  }

  [[noreturn]] void RefuseAlias(const YAML::Mark& mark) const {
    Refuse(ErrorCode::kYamlAlias,
           AtLine(mark.line + 1) + ": an anchor or alias; write the value out");
  }

  void SetKey(YamlNode node) {
    const bool is_line = std::ranges::none_of(
        node.text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    if (!is_line || node.text.empty() || node.text.size() > kKeyBytesMax) {
      Refuse(ErrorCode::kYamlType,
             AtLine(node.line) + ": a key that is no name; write one of the file's keys");
    }
    Frame& frame = stack_.back();
    const auto same = [&](const YamlEntry& entry) { return entry.key == node.text; };
    const auto first = std::ranges::find_if(frame.node.entries, same);
    if (first != frame.node.entries.end()) {
      Refuse(ErrorCode::kYamlDuplicate, PathOf(node.text) + ", " + AtLine(node.line) +
                                            " (first at " + AtLine(first->line) + ")");
    }
    frame.key = Key{std::move(node.text), node.line};
  }

  void Open(YamlNode node) {
    if (static_cast<int>(stack_.size()) >= limits_.depth_max) {
      Refuse(ErrorCode::kYamlDepth, AtLine(node.line) + ": nested deeper than " +
                                        std::to_string(limits_.depth_max) + " levels");
    }
    if (!stack_.empty() && stack_.back().node.kind == YamlNode::Kind::kMap &&
        !stack_.back().key.has_value()) {
      Refuse(ErrorCode::kYamlType, AtLine(node.line) + ": a map or list as a key; write a name");
    }
    stack_.push_back({std::move(node), std::nullopt});
  }

  void Close() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    Add(std::move(node));
  }

  void Add(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == YamlNode::Kind::kSequence) {
      frame.node.items.push_back(std::move(node));
      return;
    }
    if (!frame.key.has_value()) {
      Refuse(ErrorCode::kYamlType, AtLine(node.line) + ": an empty key; write a name");
    }
    frame.node.entries.push_back({std::move(frame.key->text), frame.key->line, std::move(node)});
    frame.key.reset();
  }

  /// Where `key` of the open map stands: "stages[0].target_percent". The outermost map is the
  /// file's one key.
  [[nodiscard]] std::string PathOf(const std::string& key) const {
    std::string path;
    for (std::size_t depth = 1; depth + 1 < stack_.size(); ++depth) {
      const Frame& frame = stack_[depth];
      if (frame.node.kind == YamlNode::Kind::kSequence) {
        path += "[" + std::to_string(frame.node.items.size()) + "]";
      } else {
        path += (path.empty() ? "" : ".") + frame.key->text;
      }
    }
    if (stack_.size() > 1 && stack_.back().node.kind == YamlNode::Kind::kMap)
      path += path.empty() ? "" : ".";
    return path + key;
  }

  YamlLimits limits_;
  std::vector<Frame> stack_;
  YamlNode root_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

/// Refuses what editors and shells smuggle in. Returns the text with line ends of one kind.
Result<std::string> Normalise(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::string clean;
  clean.reserve(text.size());
  int line = 1;
  bool in_indent = true;
  while (!text.empty()) {
    const std::size_t length = text.starts_with("\r\n") ? 2 : Utf8SequenceLength(text);
    const char first = text.front();
    if (length == 0) {
      return Fail(ErrorCode::kYamlSyntax, AtLine(line) + ": not UTF-8; save the file as UTF-8");
    }
    if (length == 1 &&
        (first == 0x7F || (first >= 0 && first < 0x20 && first != '\n' && first != '\t'))) {
      return Fail(ErrorCode::kYamlSyntax, AtLine(line) + ": a control character; remove it");
    }
    if (in_indent && first == '\t') {
      return Fail(ErrorCode::kYamlSyntax, AtLine(line) + ": a tab in the indentation; use spaces");
    }
    const bool ends_line = length == 2 ? first == '\r' : first == '\n';
    clean += ends_line ? std::string_view("\n") : text.substr(0, length);
    in_indent = ends_line || (in_indent && first == ' ');
    line += ends_line ? 1 : 0;
    text.remove_prefix(length);
  }
  return clean;
}

}  // namespace

Result<YamlNode> ParseYaml(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes_max) {
    return Fail(ErrorCode::kYamlLimit, "the file has " + std::to_string(text.size()) +
                                           " bytes, allowed " + std::to_string(limits.bytes_max));
  }
  SLUICE_ASSIGN(const std::string clean, Normalise(text));
  TreeBuilder builder(limits);
  try {
    std::istringstream stream(clean);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& refusal) {
    return Fail(refusal.error);
  } catch (const YAML::Exception& problem) {
    // yaml-cpp looks an alias up before it tells us of it.
    const bool is_alias = problem.msg.starts_with(YAML::ErrorMsg::UNKNOWN_ANCHOR);
    return Fail(is_alias ? ErrorCode::kYamlAlias : ErrorCode::kYamlSyntax,
                AtLine(problem.mark.line + 1) + ": " + problem.msg);
  }
  return builder.TakeRoot();
}

}  // namespace sluice
