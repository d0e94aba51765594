#include "rollout_engine/simulate/plot.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "rollout_engine/core/judge.h"
#include "rollout_engine/simulate/synthetic_device.h"

namespace sluice {
namespace {

constexpr double kWidth = 860, kHeight = 360;
constexpr double kLeft = 70, kRight = 30, kTop = 46, kBottom = 44;
constexpr double kTopOverLimit = 4;  // the vertical axis ends at this many times the limit
constexpr std::string_view kKey = "fleet/error_rate/cumulative";

/// One look of the run.
struct Point {
  double minutes = 0;
  double interval_rate = 0;  // of the last interval alone
  bool is_bounded = false;
  double low = 0, high = 0, theta = 0;
};

struct Trace {
  std::vector<Point> points;
  std::string sentence;
};

RatioCount TestErrors(const JudgeInput& input) {
  RatioCount sum;
  for (const JudgedDevice& device : input.devices) {
    if (device.arm != Arm::kTest) continue;
    sum.n += device.cum[0].n;
    sum.y += device.cum[0].y;
  }
  return sum;
}

Trace Record(const SimulatedStage& stage, const Scenario& scenario, std::uint64_t seed) {
  Trace trace;
  RatioCount before;
  RunStage(stage, scenario, DecisionRule::kEvidence, seed,
           [&](const JudgeInput& input, const JudgeOutput& output) {
             const RatioCount now = TestErrors(input);
             Point point{.minutes = static_cast<double>(input.elapsed_s) / 60};
             if (now.n > before.n) point.interval_rate = (now.y - before.y) / (now.n - before.n);
             before = now;
             const auto found = std::ranges::find(output.results, kKey,
                                                  &std::pair<std::string, TestResult>::first);
             const auto* ratio =
                 found == output.results.end() ? nullptr : std::get_if<RatioResult>(&found->second);
             if (ratio != nullptr && ratio->ok) {
               point.is_bounded = true;
               point.low = ratio->lcb;
               point.high = ratio->ucb;
               point.theta = ratio->theta;
             }
             trace.points.push_back(point);
             trace.sentence = output.sentence;
           });
  return trace;
}

std::string Number(double value) {
  std::array<char, 32> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, 1);
  return std::string(text.data(), end.ptr);
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  }
  return out;
}

class Chart {
 public:
  Chart(double minutes_max, double rate_max) : minutes_max_(minutes_max), rate_max_(rate_max) {}

  [[nodiscard]] std::string X(double minutes) const {
    return Number(kLeft + minutes / minutes_max_ * (kWidth - kLeft - kRight));
  }
  [[nodiscard]] std::string Y(double rate) const {
    const double shown = std::clamp(rate, 0.0, rate_max_);
    return Number(kHeight - kBottom - shown / rate_max_ * (kHeight - kTop - kBottom));
  }
  void Line(double x1, double y1, double x2, double y2, std::string_view style) {
    out_ += "<line x1=\"" + X(x1) + "\" y1=\"" + Y(y1) + "\" x2=\"" + X(x2) + "\" y2=\"" + Y(y2) +
            "\" " + std::string(style) + "/>\n";
  }
  void Text(const std::string& x, const std::string& y, std::string_view text,
            std::string_view style = "") {
    out_ += "<text x=\"" + x + "\" y=\"" + y + "\" " + std::string(style) + ">" + Escaped(text) +
            "</text>\n";
  }
  void Raw(const std::string& element) { out_ += element + "\n"; }
  [[nodiscard]] std::string Finish() const {
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + Number(kWidth) + " " +
           Number(kHeight) +
           "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
           "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n" +
           out_ + "</svg>\n";
  }

 private:
  double minutes_max_;
  double rate_max_;
  std::string out_;
};

void DrawAxes(Chart& chart, double minutes_max, double limit) {
  constexpr std::string_view kGrid = "stroke=\"#ddd\"";
  for (int i = 0; i <= kTopOverLimit; ++i) {
    chart.Line(0, limit * i, minutes_max, limit * i, kGrid);
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), limit * i * 100,
                                   std::chars_format::general, 3);
    chart.Text("62", chart.Y(limit * i), std::string(text.data(), end.ptr) + " %",
               "text-anchor=\"end\" dy=\"4\"");
  }
  constexpr int kTicks = 8;
  constexpr double kHoursFrom = 240;  // minutes; a shorter run is drawn in minutes
  for (int i = 0; i <= kTicks; ++i) {
    const double minutes = minutes_max * i / kTicks;
    const bool is_short = minutes_max < kHoursFrom;
    chart.Text(chart.X(minutes), "334",
               is_short ? Number(minutes) + " min" : Number(minutes / 60) + " h",
               "text-anchor=\"middle\"");
  }
  chart.Line(0, limit, minutes_max, limit, "stroke=\"#c22\" stroke-dasharray=\"6 3\"");
}

void DrawBand(Chart& chart, const std::vector<Point>& points) {
  std::string upper, lower, middle;
  for (const Point& point : points) {
    if (!point.is_bounded) continue;
    upper += chart.X(point.minutes) + "," + chart.Y(point.high) + " ";
    lower = chart.X(point.minutes) + "," + chart.Y(point.low) + " " + lower;
    middle += chart.X(point.minutes) + "," + chart.Y(point.theta) + " ";
  }
  if (upper.empty()) return;
  chart.Raw("<polygon points=\"" + upper + lower + "\" fill=\"#26c\" fill-opacity=\"0.22\"/>");
  chart.Raw("<polyline points=\"" + middle +
            "\" fill=\"none\" stroke=\"#26c\" stroke-width=\"1.5\"/>");
}

}  // namespace

std::string PlotRun(const SimulatedStage& stage, const Scenario& scenario, std::uint64_t seed) {
  const Trace trace = Record(stage, scenario, StreamSeed(seed, 0));
  const StageSpec& spec = stage.spec.stages[static_cast<std::size_t>(stage.stage)];
  const double limit = spec.criteria.error_rate_max.value_or(kHealthyErrorRate);
  const double minutes_max = trace.points.empty() ? 1 : trace.points.back().minutes;
  Chart chart(minutes_max, limit * kTopOverLimit);
  DrawAxes(chart, minutes_max, limit);
  DrawBand(chart, trace.points);
  for (const Point& point : trace.points) {
    const bool over = point.interval_rate > limit;
    chart.Raw("<circle cx=\"" + chart.X(point.minutes) + "\" cy=\"" + chart.Y(point.interval_rate) +
              "\" r=\"2\" fill=\"" + (over ? "#c22" : "#888") + "\"/>");
  }
  chart.Text("70", "18",
             std::string(scenario.name) + ": " + std::string(scenario.text) + ", fleet of " +
                 std::to_string(stage.fleet) + ", error rate of the test arm",
             "font-weight=\"bold\"");
  chart.Text("70", "36", trace.sentence, "font-size=\"11\"");
  chart.Text(
      "70", "354",
      "dots: the last interval alone (red: over the limit); line and band: the estimate and its "
      "bounds; dashed: the limit",
      "fill=\"#555\"");
  return chart.Finish();
}

}  // namespace sluice
