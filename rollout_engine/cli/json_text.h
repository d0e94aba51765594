// JSON of the engine's answers. Included by .cc files only: the library is slow to compile.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/result.h"

namespace sluice {

using Json = nlohmann::ordered_json;

inline Result<Json> ParseJson(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    return Fail(ErrorCode::kInternal, "the engine's answer is not JSON; are both of one version?");
  }
  return json;
}

/// A member that may be absent, null or of another type: then `otherwise`.
inline std::string TextAt(const Json& json, const char* key, std::string otherwise = "") {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>()
                                                   : std::move(otherwise);
}
inline double NumberAt(const Json& json, const char* key, double otherwise = 0) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<double>() : otherwise;
}
inline std::int64_t IntegerAt(const Json& json, const char* key, std::int64_t otherwise = 0) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}
inline bool FlagAt(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}
/// The elements of an array member; empty when there is none.
inline const Json& ItemsAt(const Json& json, const char* key) {
  static const Json kNone = Json::array();
  const auto found = json.find(key);
  return found != json.end() && found->is_array() ? *found : kNone;
}

}  // namespace sluice
