#include "common/base/error_codes.h"

#include <array>
#include <utility>

namespace sluice {
namespace {

constexpr std::array kNames = {std::pair<ErrorCode, std::string_view>{ErrorCode::kOk, "OK"},
#define SLUICE_ROW(name, text) std::pair<ErrorCode, std::string_view>{ErrorCode::name, text},
                               SLUICE_ERROR_CODES(SLUICE_ROW)
#undef SLUICE_ROW
};

}  // namespace

std::string_view CodeName(ErrorCode code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return index < kNames.size() ? kNames[index].second : "E_INTERNAL";
}

std::optional<ErrorCode> CodeFromName(std::string_view name) noexcept {
  for (const auto& [code, text] : kNames) {
    if (text == name) return code;
  }
  return std::nullopt;
}

}  // namespace sluice
