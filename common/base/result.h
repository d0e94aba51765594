// Expected failure as a value: Result<T> holds a T or an Error; Status is the same without a value.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "common/base/error_codes.h"

namespace sluice {

/// A stable code for programs and one line for people that says what was seen and what to do.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string text;

  /// The same code with `context` put before the text: "open slot b: no such directory".
  [[nodiscard]] Error With(std::string_view context) const {
    return {code, text.empty() ? std::string(context) : std::string(context) + ": " + text};
  }
  /// "E_CODE: text", the form that every program prints.
  [[nodiscard]] std::string Line() const {
    return text.empty() ? std::string(CodeName(code)) : std::string(CodeName(code)) + ": " + text;
  }
  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

[[nodiscard]] inline tl::unexpected<Error> Fail(ErrorCode code, std::string text = {}) {
  return tl::unexpected<Error>(Error{code, std::move(text)});
}
[[nodiscard]] inline tl::unexpected<Error> Fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

/// Leaves the function with the error of `expr`, a Result of any type.
#define SLUICE_TRY(expr)                                       \
  do {                                                         \
    if (auto sluice_try_ = (expr); !sluice_try_.has_value()) { \
      return ::sluice::Fail(std::move(sluice_try_).error());   \
    }                                                          \
  } while (false)

#define SLUICE_CONCAT_(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_(a, b)
/// `SLUICE_ASSIGN(auto x, F());` leaves the function with the error, else declares x.
#define SLUICE_ASSIGN_(tmp, decl, expr)                                \
  auto tmp = (expr);                                                   \
  if (!tmp.has_value()) return ::sluice::Fail(std::move(tmp).error()); \
  decl = std::move(*tmp)
#define SLUICE_ASSIGN(decl, expr) \
  SLUICE_ASSIGN_(SLUICE_CONCAT(sluice_assign_, __LINE__), decl, expr)

}  // namespace sluice
