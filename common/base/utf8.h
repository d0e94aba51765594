// UTF-8 as others send it: how long a sequence is, whether a text is one printable line, and how to
// make it one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

/// Bytes of the sequence at the front of `text` (Unicode 15, table 3-7), 0 if it is ill-formed.
/// REQUIRES: `text` is not empty.
std::size_t Utf8SequenceLength(std::string_view text) noexcept;

/// True iff `text` is UTF-8 without control characters, as logs and JSON need it.
bool IsPrintableLine(std::string_view text) noexcept;

/// `text` as one printable line of at most `bytes_max` bytes: runs of control characters become one
/// space, ill-formed bytes become '?', and no sequence is cut.
std::string ToPrintableLine(std::string_view text, std::size_t bytes_max);

}  // namespace sluice
