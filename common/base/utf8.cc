#include "common/base/utf8.h"

#include <cstdint>

namespace sluice {
namespace {

bool IsControl(char c) { return (c >= 0 && c < 0x20) || c == 0x7F; }

}  // namespace

std::size_t Utf8SequenceLength(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool beyond = first == 0xF4 && byte(1) > 0x8F;
    return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

bool IsPrintableLine(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = Utf8SequenceLength(text);
    if (length == 0 || IsControl(text.front())) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string ToPrintableLine(std::string_view text, std::size_t bytes_max) {
  std::string line;
  while (!text.empty()) {
    const std::size_t length = Utf8SequenceLength(text);
    std::string_view piece = length == 0 ? std::string_view("?") : text.substr(0, length);
    if (IsControl(piece.front())) piece = line.empty() || line.back() == ' ' ? "" : " ";
    if (line.size() + piece.size() > bytes_max) break;
    line += piece;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace sluice
