// Horizontal grouped bars from 0 to 100 percent, as SVG.
#pragma once

#include <string>
#include <vector>

namespace sluice::bench {

struct BarGroup {
  std::string label;
  std::vector<double> values;  // percent, one for each series
};

struct BarPlot {
  std::string title;
  std::vector<std::string> series;  // at most 6
  std::vector<BarGroup> groups;
};

/// Readable on a light and on a dark page. Values above 100 are cut off and labelled.
std::string RenderSvg(const BarPlot& plot);

}  // namespace sluice::bench
