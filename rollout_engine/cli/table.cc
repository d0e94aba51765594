#include "rollout_engine/cli/table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "common/base/check.h"

namespace sluice {
namespace {

template <class... Arguments>
std::string Print(const char* format, Arguments... arguments) {
  std::array<char, 64> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), format, arguments...));
  return text.data();
}

}  // namespace

void Table::Add(std::vector<std::string> cells) {
  SLUICE_CHECK(cells.size() == rows_.front().size());
  for (std::string& cell : cells) cell = cell.empty() ? "-" : Printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::Render() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      text += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    }
    text += row.back() + "\n";
  }
  return text;
}

std::string DurationText(std::int64_t seconds) {
  if (seconds < 0) return "-";
  const long long s = seconds;
  if (s < 60) return Print("%llds", s);
  if (s < 3'600) return Print("%lldm%02llds", s / 60, s % 60);
  if (s < 86'400) return Print("%lldh%02lldm", s / 3'600, s / 60 % 60);
  return Print("%lldd%02lldh", s / 86'400, s / 3'600 % 24);
}

std::string TimeText(std::int64_t wall_ms) {
  if (wall_ms == 0) return "-";
  const std::time_t seconds = wall_ms / 1'000;
  std::tm utc{};
  if (gmtime_r(&seconds, &utc) == nullptr) return "-";
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {text.data(), length};
}

std::string SizeText(std::uint64_t bytes) {
  if (bytes < 1'000) return Print("%d B", static_cast<int>(bytes));
  double value = static_cast<double>(bytes);
  const char* unit = "kB";
  for (const char* next : {"kB", "MB", "GB"}) {
    value /= 1'000;
    unit = next;
    if (value < 1'000) break;
  }
  return Print("%.1f %s", value, unit);
}

std::string NumberText(double value) { return Print("%.4g", value); }

std::string BarText(double fraction, int width) {
  const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * width);
  return "[" + std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(width - full), '-') + "]";
}

std::string Printable(std::string_view text) {
  std::string printable(text);
  std::replace_if(
      printable.begin(), printable.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return printable;
}

}  // namespace sluice
