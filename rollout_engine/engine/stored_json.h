// JSON values in the store: reading one never throws, a bad one is E_STORE_CORRUPT with its key.
// Included by .cc files only: the JSON library is slow to compile.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/base/bytes.h"

namespace sluice {

using Json = nlohmann::ordered_json;

inline tl::unexpected<Error> StoredJsonError(std::string_view key, std::string_view why) {
  return Fail(ErrorCode::kStoreCorrupt, std::string(key) + ": " + std::string(why) +
                                            "; run 'sluice store verify' or restore");
}

/// `read(json)` returns the value; what it throws on a missing or mistyped member becomes the
/// error.
template <class Read>
auto ReadStoredJson(std::string_view key, ByteView value, Read&& read)
    -> Result<std::invoke_result_t<Read, const Json&>> {
  try {
    return read(Json::parse(AsText(value)));
  } catch (const nlohmann::json::exception& e) {
    return StoredJsonError(key, e.what());
  }
}

/// Text of any bytes: what is not UTF-8 is replaced, so that a hostile string never throws here.
inline std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sluice
