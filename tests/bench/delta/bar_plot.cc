#include "tests/bench/delta/bar_plot.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "common/base/check.h"

namespace sluice::bench {
namespace {

// Pixels.
constexpr int kLeft = 190, kRight = 60, kWidth = 860;
constexpr int kTop = 64, kBottom = 34;
constexpr int kBarHeight = 8, kGroupGap = 10;
constexpr int kPlotWidth = kWidth - kLeft - kRight;
// The first series stands out; the others are told apart by colour-blind readers too.
constexpr std::array kColours = {"#0b5fa5", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#999999"};

__attribute__((format(printf, 1, 2))) std::string Print(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else if (c == '&')
      escaped += "&amp;";
    else
      escaped += c;
  }
  return escaped;
}

double XOf(double percent) { return kLeft + kPlotWidth * std::clamp(percent, 0.0, 100.0) / 100.0; }

std::string Legend(const BarPlot& plot) {
  std::string svg;
  int x = kLeft;
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    svg +=
        Print("<rect x=\"%d\" y=\"36\" width=\"12\" height=\"12\" fill=\"%s\"/>", x, kColours[i]);
    svg += Print("<text x=\"%d\" y=\"46\">%s</text>\n", x + 17, Escaped(plot.series[i]).c_str());
    x += 32 + 7 * static_cast<int>(plot.series[i].size());
  }
  return svg;
}

std::string Axis(int bottom) {
  std::string svg;
  for (int percent = 0; percent <= 100; percent += 20) {
    const double x = XOf(percent);
    svg += Print("<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#dddddd\"/>", x, kTop,
                 x, bottom);
    svg += Print("<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d %%</text>\n", x, bottom + 18,
                 percent);
  }
  return svg;
}

std::string Group(const BarGroup& group, int top) {
  const int height = kBarHeight * static_cast<int>(group.values.size());
  std::string svg = Print("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", kLeft - 8,
                          top + height / 2 + 4, Escaped(group.label).c_str());
  for (std::size_t i = 0; i < group.values.size(); ++i) {
    const int y = top + kBarHeight * static_cast<int>(i);
    const double end = XOf(group.values[i]);
    svg += Print("<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>", kLeft, y,
                 std::max(end - kLeft, 0.5), kBarHeight - 1, kColours[i]);
    if (i == 0) {
      svg += Print("<text x=\"%.1f\" y=\"%d\" font-size=\"9\">%.1f</text>", end + 3, y + 7,
                   group.values[i]);
    }
    svg += "\n";
  }
  return svg;
}

}  // namespace

std::string RenderSvg(const BarPlot& plot) {
  SLUICE_CHECK(plot.series.size() <= kColours.size());
  const int group_height = kBarHeight * static_cast<int>(plot.series.size()) + kGroupGap;
  const int bottom = kTop + group_height * static_cast<int>(plot.groups.size());
  std::string svg = Print(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
      "font-family=\"sans-serif\" font-size=\"12\" fill=\"#222222\">\n",
      kWidth, bottom + kBottom);
  svg += "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  svg += Print("<text x=\"%d\" y=\"22\" font-size=\"15\">%s</text>\n", kLeft,
               Escaped(plot.title).c_str());
  svg += Legend(plot) + Axis(bottom);
  int top = kTop + kGroupGap / 2;
  for (const BarGroup& group : plot.groups) {
    svg += Group(group, top);
    top += group_height;
  }
  return svg + "</svg>\n";
}

}  // namespace sluice::bench
