#include "rollout_engine/rules/text_template.h"

#include <gtest/gtest.h>

#include "rollout_engine/rules/limits.h"
#include "rollout_engine/rules/payload_template.h"

namespace sluice {
namespace {

const std::vector<Capture> kCaptures = {{"line", 1}};
const TemplateNames kNames{"r1", kCaptures};
constexpr YamlLimits kYaml{.bytes_max = 10'000, .depth_max = 12, .nodes_max = 1'000};

class Template : public testing::Test {
 protected:
  Template()
      : payload_(
            std::move(*Payload::ParseJson(R"({"speed":3,"text":"a\"b","on":true,"list":[1]})"))) {
    scope_.payload = &payload_;
    scope_.levels = levels_;
  }
  Result<std::string> Render(std::string_view text) {
    SLUICE_ASSIGN(const TextTemplate parsed, TextTemplate::Parse(text, kNames));
    return parsed.Render(scope_, limits::kRenderedBytesMax);
  }
  Result<std::string> RenderPayload(std::string_view yaml) {
    SLUICE_ASSIGN(const YamlNode node, ParseYaml(yaml, kYaml));
    SLUICE_ASSIGN(const PayloadTemplate parsed, PayloadTemplate::Parse(node, kNames));
    return parsed.Render(scope_);
  }
  Payload payload_;
  std::vector<std::string_view> levels_ = {"plant", "7"};
  Scope scope_;
};

TEST_F(Template, PutsValuesIntoText) {
  EXPECT_EQ(*Render("line=${line} ${rule.name} $5 ${payload.speed}/${payload.on}"),
            "line=7 r1 $5 3/true");
  EXPECT_EQ(*Render("plain"), "plain");
}

TEST_F(Template, RefusesToWriteWhatIsMissingOrNoSingleValue) {
  EXPECT_EQ(Render("${payload.gone}").error(),
            (Error{ErrorCode::kRuleValue, "payload.gone is missing; say exists(...) in `when`"}));
  EXPECT_EQ(Render("${payload.list}").error().code, ErrorCode::kRuleValue);
  const auto parsed = TextTemplate::Parse("${payload.text}", kNames);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->Render(scope_, 2).error().code, ErrorCode::kRuleValue);
}

TEST_F(Template, IsRefusedWhenItCannotBeRead) {
  EXPECT_EQ(Render("${line").error().code, ErrorCode::kRuleExpr);
  EXPECT_EQ(Render("${}").error().code, ErrorCode::kRuleExpr);
  EXPECT_EQ(Render("${where}").error().code, ErrorCode::kRuleExpr);
  EXPECT_EQ(Render("${payload.a == 1}").error().code, ErrorCode::kRuleExpr);
  EXPECT_EQ(Render(std::string(limits::kTemplateBytesMax + 1, 'x')).error().code,
            ErrorCode::kCfgRange);
}

TEST_F(Template, MakesJsonOfYamlAndKeepsTypes) {
  EXPECT_EQ(*RenderPayload("{rule: \"${rule.name}\", line: \"${line}\", n: 5, q: \"5\", t: true}"),
            R"({"rule":"r1","line":"7","n":5,"q":"5","t":true})");
  EXPECT_EQ(*RenderPayload("{speed: \"${payload.speed}\", text: \"x ${payload.text}\", l: [1, ~]}"),
            R"({"speed":3,"text":"x a\"b","l":[1,null]})");
  EXPECT_EQ(*RenderPayload("\"stop ${line}\""), "stop 7");
  EXPECT_EQ(RenderPayload("{a: \"${payload.gone}\"}").error().code, ErrorCode::kRuleValue);
  EXPECT_EQ(RenderPayload("{a: \"${nobody}\"}").error().code, ErrorCode::kRuleExpr);
}

}  // namespace
}  // namespace sluice
