// Reading: a Pratt parser that knows the types. Every error names its column.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "rollout_engine/config/yaml_reader.h"
#include "rollout_engine/rules/expression.h"
#include "rollout_engine/rules/expression_lexer.h"
#include "rollout_engine/rules/expression_program.h"
#include "rollout_engine/rules/limits.h"

namespace sluice {
namespace {

using TokenKind = ExpressionToken::Kind;
using Op = ExpressionOp;
using Type = ExpressionType;

// How tightly operators bind; `!` and `-` stand before a single operand.
constexpr int kBindOr = 1;
constexpr int kBindAnd = 2;
constexpr int kBindNot = 3;  // the word: "not a == b" denies the comparison
constexpr int kBindComparison = 4;
constexpr int kBindPrefix = 5;

struct Infix {
  std::string_view symbol;
  Op op;
  int binding;
};
constexpr std::array<Infix, 11> kInfixes = {{{"or", Op::kOr, kBindOr},
                                             {"||", Op::kOr, kBindOr},
                                             {"and", Op::kAnd, kBindAnd},
                                             {"&&", Op::kAnd, kBindAnd},
                                             {"==", Op::kEqual, kBindComparison},
                                             {"!=", Op::kNotEqual, kBindComparison},
                                             {"<", Op::kLess, kBindComparison},
                                             {"<=", Op::kLessOrEqual, kBindComparison},
                                             {">", Op::kGreater, kBindComparison},
                                             {">=", Op::kGreaterOrEqual, kBindComparison},
                                             {"in", Op::kIn, kBindComparison}}};

std::string_view TypeName(Type type) {
  constexpr std::array<std::string_view, 6> kNames = {"anything", "null",   "true or false",
                                                      "a number", "a text", "a list"};
  return kNames[static_cast<std::size_t>(type)];
}

bool MayBe(Type type, Type wanted) { return type == Type::kAny || type == wanted; }

class Parser {
 public:
  Parser(std::string_view text, const std::vector<Capture>& captures,
         std::vector<ExpressionToken> tokens)
      : text_(text), captures_(captures), tokens_(std::move(tokens)) {}

  Result<ExpressionProgram> Run() {
    SLUICE_ASSIGN(const std::uint32_t root, ParseOperators(0, 0));
    if (Peek().kind != TokenKind::kEnd) {
      const bool assigns = Peek().text == "=";
      return ErrorHere(assigns ? "'=' assigns nothing here; write =="
                               : "expected an operator, not " + Shown(Peek().text));
    }
    program_.root = root;
    return std::move(program_);
  }

 private:
  [[nodiscard]] const ExpressionToken& Peek() const { return tokens_[at_]; }
  const ExpressionToken& Take() {
    return tokens_[at_].kind == TokenKind::kEnd ? Peek() : tokens_[at_++];
  }
  [[nodiscard]] bool Sees(std::string_view symbol) const {
    const ExpressionToken& token = Peek();
    return (token.kind == TokenKind::kSymbol || token.kind == TokenKind::kWord) &&
           token.text == symbol;
  }
  bool TakeIf(std::string_view symbol) {
    if (!Sees(symbol)) return false;
    Take();
    return true;
  }
  Status Expect(std::string_view symbol) {
    if (TakeIf(symbol)) return {};
    return ErrorHere("expected '" + std::string(symbol) + "'");
  }
  [[nodiscard]] tl::unexpected<Error> ErrorHere(std::string_view text) const {
    return ExpressionError(Peek().begin, text);
  }
  [[nodiscard]] Type TypeOf(std::uint32_t node) const { return program_.nodes[node].type; }
  [[nodiscard]] tl::unexpected<Error> ErrorAt(std::uint32_t node, std::string_view text) const {
    return ExpressionError(program_.nodes[node].column - 1, text);
  }

  Result<std::uint32_t> Add(ExpressionNode node, std::size_t begin) {
    if (program_.nodes.size() >= limits::kExpressionNodesMax) {
      return ExpressionError(begin,
                             "more than " + std::to_string(limits::kExpressionNodesMax) + " parts");
    }
    node.column = begin + 1;
    program_.nodes.push_back(std::move(node));
    return static_cast<std::uint32_t>(program_.nodes.size() - 1);
  }

  [[nodiscard]] const Infix* PeekInfix() const {
    if (Peek().kind != TokenKind::kSymbol && Peek().kind != TokenKind::kWord) return nullptr;
    const auto found = std::ranges::find(kInfixes, Peek().text, &Infix::symbol);
    return found == kInfixes.end() ? nullptr : &*found;
  }

  Result<std::uint32_t> ParseOperators(int binding_min, int depth) {
    if (depth > limits::kExpressionDepthMax) {
      return ErrorHere("nested deeper than " + std::to_string(limits::kExpressionDepthMax));
    }
    SLUICE_ASSIGN(std::uint32_t left, ParsePrefix(depth));
    while (const Infix* const infix = PeekInfix()) {
      if (infix->binding < binding_min) return left;
      const std::size_t begin = Take().begin;
      // The right side binds tighter: a and b and c is (a and b) and c.
      SLUICE_ASSIGN(const std::uint32_t right, ParseOperators(infix->binding + 1, depth + 1));
      SLUICE_TRY(CheckOperands(*infix, left, right));
      SLUICE_ASSIGN(left,
                    Add({.op = infix->op, .type = Type::kBool, .children = {left, right}}, begin));
      if (infix->binding == kBindComparison && PeekInfix() != nullptr &&
          PeekInfix()->binding == kBindComparison) {
        return ErrorHere("comparisons are not chained; join two with 'and'");
      }
    }
    return left;
  }

  Status CheckOperands(const Infix& infix, std::uint32_t left, std::uint32_t right) {
    if (infix.binding != kBindComparison) {
      SLUICE_TRY(CheckBool(left, infix.symbol));
      return CheckBool(right, infix.symbol);
    }
    const Type a = TypeOf(left), b = TypeOf(right);
    if (infix.op == Op::kIn) {
      if (!MayBe(b, Type::kList)) return ErrorAt(right, "'in' wants a list behind it: [1, 2]");
      if (a == Type::kList) return ErrorAt(left, "a list is in no list");
      return {};
    }
    if (a == Type::kList || b == Type::kList) {
      return ErrorAt(a == Type::kList ? left : right, "lists are not compared; write 'in'");
    }
    const bool equality = infix.op == Op::kEqual || infix.op == Op::kNotEqual;
    const auto has_order = [](Type t) { return MayBe(t, Type::kNumber) || t == Type::kText; };
    if (!equality && (!has_order(a) || !has_order(b))) {
      return ErrorAt(has_order(a) ? right : left,
                     std::string(TypeName(has_order(a) ? b : a)) + " is neither less nor more");
    }
    // Against null anything may be compared: whether it is null.
    if (a == b || a == Type::kAny || b == Type::kAny || a == Type::kNull || b == Type::kNull)
      return {};
    return ErrorAt(
        right, std::string(TypeName(a)) + " is never compared with " + std::string(TypeName(b)));
  }

  Status CheckBool(std::uint32_t node, std::string_view where) {
    if (MayBe(TypeOf(node), Type::kBool)) return {};
    return ErrorAt(node, "'" + std::string(where) + "' wants true or false, not " +
                             std::string(TypeName(TypeOf(node))));
  }

  Result<std::uint32_t> ParsePrefix(int depth) {
    const ExpressionToken& token = Peek();
    const std::size_t begin = token.begin;
    if (Sees("!") || Sees("not")) {
      const bool is_word = token.kind == TokenKind::kWord;
      Take();
      SLUICE_ASSIGN(const std::uint32_t operand,
                    ParseOperators(is_word ? kBindNot : kBindPrefix, depth + 1));
      SLUICE_TRY(CheckBool(operand, is_word ? "not" : "!"));
      return Add({.op = Op::kNot, .type = Type::kBool, .children = {operand}}, begin);
    }
    if (TakeIf("-")) {
      if (Peek().kind != TokenKind::kNumber) return ErrorHere("expected a number after '-'");
      return Add({.type = Type::kNumber, .literal = Value::Number(-Take().number)}, begin);
    }
    if (TakeIf("(")) {
      SLUICE_ASSIGN(const std::uint32_t inner, ParseOperators(0, depth + 1));
      SLUICE_TRY(Expect(")"));
      return inner;
    }
    if (TakeIf("[")) return ParseList(begin);
    if (token.kind == TokenKind::kNumber)
      return Add({.type = Type::kNumber, .literal = Value::Number(Take().number)}, begin);
    if (token.kind == TokenKind::kText)
      return Add({.type = Type::kText, .literal = Value::Text({}), .text = Take().text}, begin);
    if (token.kind == TokenKind::kWord) return ParseWord(depth);
    return ErrorHere(token.kind == TokenKind::kEnd ? "the expression ends too early"
                                                   : "expected a value, not " + Shown(token.text));
  }

  /// Literals only: an element that is missing would make a list nobody can read.
  Result<std::uint32_t> ParseList(std::size_t begin) {
    ExpressionNode list{.op = Op::kList, .type = Type::kList};
    while (!Sees("]")) {
      if (!list.children.empty()) SLUICE_TRY(Expect(","));
      if (list.children.size() == limits::kExpressionListMax) {
        return ErrorHere("more than " + std::to_string(limits::kExpressionListMax) + " elements");
      }
      const bool is_word = Sees("true") || Sees("false") || Sees("null");
      if (!is_word && !Sees("-") && Peek().kind != TokenKind::kNumber &&
          Peek().kind != TokenKind::kText)
        return ErrorHere("a list holds numbers, texts, true, false and null");
      SLUICE_ASSIGN(const std::uint32_t element, ParsePrefix(0));
      list.children.push_back(element);
    }
    SLUICE_TRY(Expect("]"));
    return Add(std::move(list), begin);
  }

  Result<std::uint32_t> ParseWord(int depth) {
    const ExpressionToken token = Take();
    const std::string& word = token.text;
    if (word == "true" || word == "false")
      return Add({.type = Type::kBool, .literal = Value::Bool(word == "true")}, token.begin);
    if (word == "null")
      return Add({.type = Type::kNull, .literal = {.kind = Value::Kind::kNull}}, token.begin);
    if (word == "now") return AddReference({.op = Op::kNow, .type = Type::kNumber}, token.begin);
    if (word == "payload") return ParsePath(token.begin);
    if (word == "topic") return ParseTopicLevel(token.begin);
    if (word == "client") return ParseClient(token.begin);
    if (Sees("(")) return ParseFunction(token, depth);
    const auto capture = std::ranges::find(captures_, word, &Capture::name);
    if (capture != captures_.end()) {
      return AddReference({.op = Op::kTopicLevel, .type = Type::kText, .level = capture->level},
                          token.begin);
    }
    return ExpressionError(token.begin, "no name " + Shown(word) +
                                            "; there are payload, topic, client, now and the "
                                            "topic's +names");
  }

  Result<std::uint32_t> AddReference(ExpressionNode node, std::size_t begin) {
    const std::size_t end = tokens_[at_ - 1].end;
    node.text = std::string(text_.substr(begin, end - begin));
    return Add(std::move(node), begin);
  }

  Result<std::uint32_t> ParsePath(std::size_t begin) {
    ExpressionNode node{.op = Op::kPayload};
    while (Sees(".") || Sees("[")) {
      if (node.path.size() == limits::kPathStepsMax) {
        return ErrorHere("a path of more than " + std::to_string(limits::kPathStepsMax) + " steps");
      }
      SLUICE_ASSIGN(PathStep step, Take().text == "." ? ParseMember() : ParseSubscript());
      node.path.push_back(std::move(step));
    }
    return AddReference(std::move(node), begin);
  }

  Result<PathStep> ParseMember() {
    if (Peek().kind != TokenKind::kWord) {
      return ErrorHere(
          "expected a name after '.'; write [0] for an element, [\"a-b\"] for a name "
          "with other characters");
    }
    return PathStep{.key = Take().text};
  }

  Result<PathStep> ParseSubscript() {
    PathStep step;
    if (Peek().kind == TokenKind::kText) {
      step.key = Take().text;
    } else if (Peek().kind == TokenKind::kNumber && Peek().is_whole &&
               Peek().number <= static_cast<double>(limits::kPathIndexMax)) {
      step = {.index = static_cast<std::size_t>(Take().number), .is_index = true};
    } else {
      return ErrorHere("expected a whole number from 0 to " +
                       std::to_string(limits::kPathIndexMax) + " or a text");
    }
    SLUICE_TRY(Expect("]"));
    return step;
  }

  Result<std::uint32_t> ParseTopicLevel(std::size_t begin) {
    SLUICE_TRY(Expect("."));
    if (Peek().kind != TokenKind::kNumber || !Peek().is_whole ||
        Peek().number >= static_cast<double>(limits::kRuleTopicLevelsMax)) {
      return ErrorHere("expected the number of a level, topic.0 to topic." +
                       std::to_string(limits::kRuleTopicLevelsMax - 1));
    }
    const auto level = static_cast<std::size_t>(Take().number);
    return AddReference({.op = Op::kTopicLevel, .type = Type::kText, .level = level}, begin);
  }

  Result<std::uint32_t> ParseClient(std::size_t begin) {
    SLUICE_TRY(Expect("."));
    if (!Sees("id") && !Sees("username")) return ErrorHere("there are client.id, client.username");
    const Op op = Take().text == "id" ? Op::kClientId : Op::kClientName;
    return AddReference({.op = op, .type = Type::kText}, begin);
  }

  Result<std::uint32_t> ParseFunction(const ExpressionToken& name, int depth) {
    std::vector<std::uint32_t> arguments;
    SLUICE_TRY(Expect("("));
    while (!Sees(")")) {
      if (!arguments.empty()) SLUICE_TRY(Expect(","));
      SLUICE_ASSIGN(const std::uint32_t argument, ParseOperators(0, depth + 1));
      arguments.push_back(argument);
      if (arguments.size() > limits::kExpressionListMax) return ErrorHere("too many arguments");
    }
    SLUICE_TRY(Expect(")"));
    ExpressionNode node{.type = Type::kBool, .children = std::move(arguments)};
    if (name.text == "exists") {
      SLUICE_TRY(CheckExists(name, node));
    } else if (name.text == "matches") {
      SLUICE_TRY(CheckMatches(name, node));
    } else {
      SLUICE_TRY(CheckNumeric(name, node));
    }
    return Add(std::move(node), name.begin);
  }

  Status CheckExists(const ExpressionToken& name, ExpressionNode& node) {
    node.op = Op::kExists;
    if (node.children.size() == 1 && IsReference(program_.nodes[node.children[0]].op)) return {};
    return ExpressionError(name.begin, "exists() takes one reference: exists(payload.a)");
  }

  Status CheckMatches(const ExpressionToken& name, ExpressionNode& node) {
    node.op = Op::kMatches;
    if (node.children.size() != 2 || !MayBe(TypeOf(node.children[0]), Type::kText) ||
        program_.nodes[node.children[1]].op != Op::kLiteral ||
        TypeOf(node.children[1]) != Type::kText) {
      return ExpressionError(name.begin,
                             "matches() takes a text and a written pattern: "
                             "matches(payload.a, \"^x\")");
    }
    const ExpressionNode& pattern = program_.nodes[node.children[1]];
    if (pattern.text.size() > limits::kRegexBytesMax) {
      return ErrorAt(node.children[1],
                     "a pattern of more than " + std::to_string(limits::kRegexBytesMax) + " bytes");
    }
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(limits::kRegexMemoryMax);
    auto regex = std::make_shared<const re2::RE2>(pattern.text, options);
    if (!regex->ok()) return ErrorAt(node.children[1], "RE2 says: " + Shown(regex->error()));
    node.regex = std::move(regex);
    return {};
  }

  Status CheckNumeric(const ExpressionToken& name, ExpressionNode& node) {
    if (name.text == "abs") {
      node.op = Op::kAbs;
    } else if (name.text == "min" || name.text == "max") {
      node.op = name.text == "min" ? Op::kMin : Op::kMax;
    } else {
      return ExpressionError(name.begin, "no function " + Shown(name.text) +
                                             "; there are exists, matches, abs, min and max");
    }
    node.type = Type::kNumber;
    const std::size_t count = node.children.size();
    if (node.op == Op::kAbs ? count != 1 : count < 1) {
      return ExpressionError(name.begin, node.op == Op::kAbs ? "abs() takes one number"
                                                             : "min() and max() take numbers");
    }
    for (const std::uint32_t child : node.children) {
      if (!MayBe(TypeOf(child), Type::kNumber))
        return ErrorAt(child, name.text + "() takes numbers");
    }
    return {};
  }

  std::string_view text_;
  const std::vector<Capture>& captures_;
  std::vector<ExpressionToken> tokens_;
  std::size_t at_ = 0;
  ExpressionProgram program_;
};

Result<ExpressionProgram> ParseProgram(std::string_view text,
                                       const std::vector<Capture>& captures) {
  SLUICE_ASSIGN(std::vector<ExpressionToken> tokens, LexExpression(text));
  return Parser(text, captures, std::move(tokens)).Run();
}

}  // namespace

Result<Expression> Expression::ParseCondition(std::string_view text,
                                              const std::vector<Capture>& captures) {
  SLUICE_ASSIGN(ExpressionProgram program, ParseProgram(text, captures));
  const ExpressionNode& root = program.nodes[program.root];
  if (!MayBe(root.type, Type::kBool)) {
    return ExpressionError(root.column - 1,
                           std::string(TypeName(root.type)) + " is no condition; compare it");
  }
  return Expression(std::make_shared<const ExpressionProgram>(std::move(program)));
}

Result<Expression> Expression::ParseReference(std::string_view text,
                                              const std::vector<Capture>& captures) {
  SLUICE_ASSIGN(ExpressionProgram program, ParseProgram(text, captures));
  if (!IsReference(program.nodes[program.root].op)) {
    return ExpressionError(0, Shown(text) +
                                  " is no reference; write payload.a, topic.1, a +name, "
                                  "client.id or now");
  }
  return Expression(std::make_shared<const ExpressionProgram>(std::move(program)));
}

}  // namespace sluice
