#include "rollout_engine/rules/expression.h"

#include <gtest/gtest.h>

#include "rollout_engine/rules/limits.h"

namespace sluice {
namespace {

const std::vector<Capture> kCaptures = {{"line", 1}};

class ExpressionValue : public testing::Test {
 protected:
  ExpressionValue() : payload_(std::move(*Payload::ParseJson(kJson))) {
    scope_.payload = &payload_;
    scope_.levels = levels_;
    scope_.now_s = 1'000.5;
  }
  bool IsTrue(std::string_view text) {
    const auto expression = Expression::ParseCondition(text, kCaptures);
    EXPECT_TRUE(expression) << text << ": " << expression.error().Line();
    return expression && expression->IsTrue(scope_);
  }

  static constexpr std::string_view kJson =
      R"({"state":"STOPPED","confidence":0.9,"speed":-3,"on":true,"none":null,)"
      R"("deep":{"list":[1,{"x":"y"}],"a-b":7},"tags":["hot","wet"]})";
  Payload payload_;
  std::vector<std::string_view> levels_ = {"plant", "7", "status"};
  Scope scope_;
};

TEST_F(ExpressionValue, ReadsThePayloadTheTopicAndTheClock) {
  EXPECT_TRUE(IsTrue(R"(payload.state == "STOPPED" && payload.confidence >= 0.8)"));
  EXPECT_TRUE(IsTrue("payload.deep.list[0] == 1"));
  EXPECT_TRUE(IsTrue("payload.deep.list[1].x == 'y'"));
  EXPECT_TRUE(IsTrue(R"(payload.deep["a-b"] == 7 and payload["on"])"));
  EXPECT_TRUE(IsTrue("topic.0 == 'plant' and line == '7' and topic.1 == line"));
  EXPECT_TRUE(IsTrue("now > 1000 and now < 1001"));
  EXPECT_TRUE(IsTrue("payload.none == null and payload.state != null"));
}

TEST_F(ExpressionValue, TakesAComparisonWithWhatIsNotThereAsFalse) {
  for (const char* const text :
       {"payload.gone == 1", "payload.gone != 1", "payload.gone < 1", "payload.gone >= 1",
        "payload.gone == payload.gone", "payload.gone in [1]", "1 in payload.gone", "payload.gone",
        "matches(payload.gone, '')", "abs(payload.gone) >= 0", "min(1, payload.gone) == 1",
        "payload.deep.list[9] == 1", "payload.state.x == 1", "topic.9 == 'x'", "client.id == 'c'",
        "exists(payload.gone)", "payload.gone == null"}) {
    EXPECT_FALSE(IsTrue(text)) << text;
  }
  EXPECT_TRUE(IsTrue("!exists(payload.gone) and exists(payload.none)"));
  EXPECT_TRUE(IsTrue("not payload.gone == 1"));
}

TEST_F(ExpressionValue, ComparesOnlyLikeWithLike) {
  EXPECT_FALSE(IsTrue("payload.state == 5"));
  EXPECT_TRUE(IsTrue("payload.state != 5"));
  EXPECT_FALSE(IsTrue("payload.state < 5"));
  EXPECT_FALSE(IsTrue("payload.on > 0"));
  EXPECT_FALSE(IsTrue("payload.tags == payload.tags"));
  EXPECT_TRUE(IsTrue("'a' < 'b' and 'b' <= 'b' and 2 > 1 and 2 >= 2"));
  EXPECT_FALSE(IsTrue("'b' < 'a' or 2 < 2"));
}

TEST_F(ExpressionValue, BindsAndBeforeOrAndTheWordNotAfterComparisons) {
  EXPECT_TRUE(IsTrue("true or false and false"));
  EXPECT_FALSE(IsTrue("(true or false) and false"));
  EXPECT_TRUE(IsTrue("not payload.speed == 4"));
  EXPECT_TRUE(IsTrue("!false && !payload.gone"));
  EXPECT_FALSE(IsTrue("not true or false"));
}

TEST_F(ExpressionValue, HasListsAndFunctions) {
  EXPECT_TRUE(IsTrue(R"(payload.state in ["RUNNING", "STOPPED"])"));
  EXPECT_FALSE(IsTrue("payload.speed in [3, '-3', null, true]"));
  EXPECT_TRUE(IsTrue("payload.speed in [1, -3]"));
  EXPECT_TRUE(IsTrue("'hot' in payload.tags and not 'dry' in payload.tags"));
  EXPECT_FALSE(IsTrue("1 in []"));
  EXPECT_TRUE(IsTrue("abs(payload.speed) == 3 and min(4, payload.speed, 9) == -3"));
  EXPECT_TRUE(IsTrue("max(payload.confidence, 0.1) == payload.confidence"));
  EXPECT_TRUE(IsTrue(R"(matches(payload.state, "^STOP") and matches(line, "^[0-9]+$"))"));
  EXPECT_FALSE(IsTrue("matches(payload.speed, '3')"));
}

TEST_F(ExpressionValue, KnowsTheClientOfAnEvent) {
  scope_.client_id = "cam-1";
  scope_.client_name = "line7";
  EXPECT_TRUE(IsTrue("client.id == 'cam-1' and client.username == 'line7'"));
}

TEST_F(ExpressionValue, ReadsEscapesAndNumbersAsJsonHasThem) {
  EXPECT_TRUE(IsTrue(R"('a\'b' == "a'b" and "tab\t" != "tab" and '\\' == "\\")"));
  EXPECT_TRUE(IsTrue("1e3 == 1000 and 0.5 == 5e-1 and -1 < 0"));
}

TEST_F(ExpressionValue, NamesWhatItRefersToOnceAndInOrder) {
  const auto expression = Expression::ParseCondition(
      "payload.speed < 0 and line == '7' and payload.speed > -9", kCaptures);
  ASSERT_TRUE(expression);
  const auto references = expression->References(scope_);
  ASSERT_EQ(references.size(), 2u);
  EXPECT_EQ(references[0].text, "payload.speed");
  EXPECT_EQ(JsonText(references[0].value), "-3");
  EXPECT_EQ(references[1].text, "line");
}

struct Bad {
  std::string text;
  std::string says;
};

TEST(ExpressionError, NamesColumnAndReason) {
  const std::vector<Bad> bad = {
      {"", "column 1: the expression ends too early"},
      {"payload.a ==", "column 13: the expression ends too early"},
      {"payload.a = 1", "column 11: '=' assigns nothing here; write =="},
      {"payload.a == 1 payload.b", "column 16: expected an operator, not \"payload\""},
      {"1 < 2 < 3", "column 7: comparisons are not chained; join two with 'and'"},
      {"5", "column 1: a number is no condition; compare it"},
      {"'x' and true", "column 1: 'and' wants true or false, not a text"},
      {"line < 5", "column 8: a text is never compared with a number"},
      {"true < false", "column 1: true or false is neither less nor more"},
      {"!line == 'x'", "column 2: '!' wants true or false, not a text"},
      {"payload.a in 5", "column 14: 'in' wants a list behind it: [1, 2]"},
      {"[1] == payload.a", "column 1: lists are not compared; write 'in'"},
      {"payload.a in [payload.b]", "column 15: a list holds numbers, texts, true, false and null"},
      {"where == 1",
       "column 1: no name \"where\"; there are payload, topic, client, now and the "
       "topic's +names"},
      {"size(payload.a) == 1",
       "column 1: no function \"size\"; there are exists, matches, abs, min and max"},
      {"exists(1)", "column 1: exists() takes one reference: exists(payload.a)"},
      {"matches(payload.a, payload.b)",
       "column 1: matches() takes a text and a written pattern: matches(payload.a, \"^x\")"},
      {"matches(payload.a, '(')", "column 20: RE2 says: \"missing ): (\""},
      {"abs('x') == 1", "column 5: abs() takes numbers"},
      {"abs(1, 2) == 1", "column 1: abs() takes one number"},
      {"payload.0 == 1",
       "column 9: expected a name after '.'; write [0] for an element, [\"a-b\"] "
       "for a name with other characters"},
      {"payload[1.5] == 1", "column 9: expected a whole number from 0 to 65535 or a text"},
      {"topic.16 == 'x'", "column 7: expected the number of a level, topic.0 to topic.15"},
      {"client.ip == 'x'", "column 8: there are client.id, client.username"},
      {"(true", "column 6: expected ')'"},
      {"true & false", "column 6: \"&\" is not of the language"},
      {"'open", "column 1: a text that does not end; add '"},
      {"'\\q' == 'q'", "column 2: an escape that is none of \\\\ \\\" \\' \\/ \\n \\r \\t"},
      {"007 == 7", "column 1: not a number as JSON has it"},
      {"1e == 1", "column 1: a number without its exponent"},
      {"- line == 1", "column 3: expected a number after '-'"}};
  for (const auto& [text, says] : bad) {
    const auto expression = Expression::ParseCondition(text, kCaptures);
    ASSERT_FALSE(expression) << text;
    EXPECT_EQ(expression.error().code, ErrorCode::kRuleExpr) << text;
    EXPECT_EQ(expression.error().text, says) << text;
  }
}

TEST(ExpressionError, RefusesWhatIsTooLongOrTooDeep) {
  const std::string deep(40, '(');
  EXPECT_FALSE(Expression::ParseCondition(deep + "true" + std::string(40, ')'), {}));
  EXPECT_FALSE(Expression::ParseCondition(std::string(200, '!') + "true", {}));
  const std::string longest(limits::kExpressionBytesMax - 4, ' ');
  EXPECT_TRUE(Expression::ParseCondition(longest + "true", {}));
  EXPECT_FALSE(Expression::ParseCondition(longest + " true", {}));
  std::string many = "true";
  for (int i = 0; i < 140; ++i) many += "||true";
  EXPECT_FALSE(Expression::ParseCondition(many, {}));
  std::string list = "1 in [1";
  for (std::size_t i = 1; i < limits::kExpressionListMax; ++i) list += ",1";
  EXPECT_TRUE(Expression::ParseCondition(list + "]", {}));
  EXPECT_FALSE(Expression::ParseCondition(list + ",1]", {}));
}

TEST(ExpressionReference, IsOneNameAndNothingElse) {
  EXPECT_TRUE(Expression::ParseReference("payload.a[0].b", {}));
  EXPECT_TRUE(Expression::ParseReference("line", kCaptures));
  EXPECT_FALSE(Expression::ParseReference("line", {}));
  EXPECT_FALSE(Expression::ParseReference("payload.a == 1", {}));
  EXPECT_FALSE(Expression::ParseReference("'text'", {}));
}

}  // namespace
}  // namespace sluice
