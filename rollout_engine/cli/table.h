// Plain text tables and the words for durations and sizes in them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  /// REQUIRES: as many cells as the header has.
  void Add(std::vector<std::string> cells);
  /// Columns left-aligned, two spaces between them, none at the end of a line. Control characters
  /// print as '?', so that nobody's text can move the reader's cursor.
  [[nodiscard]] std::string Render() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// "42s", "6m05s", "6h12m", "3d04h"; "-" for a negative one.
std::string DurationText(std::int64_t seconds);
/// "2026-01-31T12:00:00Z"; "-" for 0.
std::string TimeText(std::int64_t wall_ms);
/// "980 B", "1.4 kB", "12.0 MB".
std::string SizeText(std::uint64_t bytes);
/// Up to four significant digits, no trailing zeros: "0.0006", "41", "0.9712".
std::string NumberText(double value);
/// "[####----]" with `width` cells.
std::string BarText(double fraction, int width);
/// The text with '?' for every control character.
std::string Printable(std::string_view text);

}  // namespace sluice
