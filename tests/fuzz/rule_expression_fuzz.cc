// Any text as a condition of a rule: refused on one line, or evaluated the same twice, on a message
// that has much and on one that has nothing.
#include "common/base/check.h"
#include "rollout_engine/rules/expression.h"

namespace {

constexpr std::string_view kJson =
    R"({"state":"STOPPED","a":{"b":[1,-2.5,null,true,"x"]},"confidence":0.9,"id":7})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  static const std::vector<Capture> kCaptures = {{"line", 1}};
  static const Payload kPayload = std::move(*Payload::ParseJson(kJson));
  const std::string_view text = AsText({data, size});
  const auto expression = Expression::ParseCondition(text, kCaptures);
  if (!expression) {
    SLUICE_CHECK(expression.error().code == ErrorCode::kRuleExpr);
    SLUICE_CHECK(expression.error().text.find('\n') == std::string::npos);
    return 0;
  }
  const std::vector<std::string_view> levels = {"plant", "7", "status"};
  Scope scope{.payload = &kPayload, .levels = levels, .client_id = "c", .client_name = "u"};
  SLUICE_CHECK(expression->IsTrue(scope) == expression->IsTrue(scope));
  static_cast<void>(expression->IsTrue({}));
  for (const Expression::Reference& reference : expression->References(scope)) {
    const auto alone = Expression::ParseReference(reference.text, kCaptures);
    SLUICE_CHECK(alone.has_value());
    SLUICE_CHECK(JsonText(alone->Evaluate(scope)) == JsonText(reference.value));
  }
  return 0;
}
