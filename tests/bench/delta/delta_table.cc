#include "tests/bench/delta/delta_table.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "tests/bench/delta/bar_plot.h"

namespace sluice::bench {
namespace {

constexpr std::array kSizeColumns = {kOursL, kOursM,  kOursS,  kOursLibrsync, kOursFull,
                                     kRdiff, kBsdiff, kXdelta, kZstdPatch,    kZstdFull};
constexpr std::array kPlotted = {kOursL, kRdiff, kBsdiff, kXdelta, kZstdPatch};

__attribute__((format(printf, 1, 2))) std::string Print(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

// Near 0 a percent needs digits that it does not need elsewhere.
std::string PercentText(double percent) {
  return Print(percent < 1 ? "%.3f" : percent < 10 ? "%.2f" : "%.1f", percent);
}

std::string SizeTable(const DeltaResults& results) {
  std::string text = "| pair | what changed | bytes |";
  std::string rule = "|---|---|---|";
  for (const char* column : kSizeColumns) {
    text += std::string(" ") + column + " |";
    rule += "---|";
  }
  text += "\n" + rule + "\n";
  for (const PairResult& result : results.pairs) {
    text += "| " + result.pair.id + " | " + result.pair.kind + ", " + result.pair.dtype + " | " +
            std::to_string(result.pair.new_bytes) + " |";
    for (const char* column : kSizeColumns) {
      const std::string cell = PercentText(result.PercentOf(column));
      text += std::string(" ") + (column == kOursL ? "**" + cell + "**" : cell) + " |";
    }
    text += "\n";
  }
  return text;
}

std::string MeanRow(const DeltaResults& results, const char* name, bool published, bool trained) {
  std::string text;
  std::size_t count = 0;
  for (const char* column : kSizeColumns) {
    double sum = 0;
    count = 0;
    for (const PairResult& result : results.pairs) {
      if (result.pair.is_made || !(result.pair.published ? published : trained)) continue;
      sum += result.PercentOf(column);
      ++count;
    }
    if (count == 0) return "";
    text += " " + PercentText(sum / static_cast<double>(count)) + " |";
  }
  return Print("| **mean of %zu** | %s | |", count, name) + text + "\n";
}

std::size_t KillsOf(const DeltaResults& results) {
  std::size_t kills = 0;
  for (const PairResult& result : results.pairs) kills += result.kills;
  return kills;
}

// Each tool over all pairs: CPU seconds add up, and the largest process counts.
std::string CostTable(const DeltaResults& results) {
  std::string text =
      "| tool | encode, CPU s | encode, MB/s | encode peak MB | decode, CPU s | decode, MB/s | "
      "decode peak MB |\n|---|---|---|---|---|---|---|\n";
  for (const char* tool : kSizeColumns) {
    ProcessCost encode, decode;
    double megabytes = 0;
    for (const PairResult& result : results.pairs) {
      const ToolRun& run = result.runs.at(tool);
      encode += run.encode;
      decode += run.decode;
      megabytes += static_cast<double>(result.pair.new_bytes) / 1e6;
    }
    text += Print("| %s | %.1f | %.1f | %.0f | %.2f | %.1f | %.0f |\n", tool, encode.cpu_s,
                  megabytes / encode.cpu_s, static_cast<double>(encode.peak_rss_bytes) / 1e6,
                  decode.cpu_s, megabytes / decode.cpu_s,
                  static_cast<double>(decode.peak_rss_bytes) / 1e6);
  }
  return text;
}

std::string SpeedTable(std::vector<CodecSpeed> speeds) {
  std::string text =
      "| elements | MB | coded, percent | plain, percent | encode, MB/s | times plain | decode, "
      "MB/s "
      "| times plain |\n|---|---|---|---|---|---|---|---|\n";
  speeds.push_back(SumOf(speeds));
  for (const CodecSpeed& speed : speeds) {
    const auto bytes = static_cast<double>(speed.element_bytes);
    text +=
        Print("| %s | %.1f | %.2f | %.2f | %.1f | **%.1f** | %.1f | **%.1f** |\n",
              speed.name.c_str(), bytes / 1e6, 100 * static_cast<double>(speed.coded_bytes) / bytes,
              100 * static_cast<double>(speed.plain_bytes) / bytes, bytes / 1e6 / speed.encode_s,
              speed.plain_encode_s / speed.encode_s, bytes / 1e6 / speed.decode_s,
              speed.plain_decode_s / speed.decode_s);
  }
  return text;
}

std::string DigitsText(const SnappedDigits& digits) {
  std::string text =
      "The digit classifier, all its layers trained on with pictures of the field: " +
      PercentText(digits.exact_percent) + " % as it is, **" + PercentText(digits.snapped_percent) +
      " %** snapped alike.\n\n| right of | the old model | its fine-tune | snapped | one standard "
      "error |\n"
      "|---|---|---|---|---|\n";
  for (const SnappedAccuracy& accuracy : digits.accuracies) {
    text += Print("| %zu %s | %.2f %% | %.2f %% | %.2f %% | %.2f %% |\n", accuracy.count,
                  accuracy.images.c_str(), 100 * accuracy.old, 100 * accuracy.exact,
                  100 * accuracy.snapped, 100 * accuracy.StandardError());
  }
  return text;
}

std::string NamedPairs(const DeltaResults& results) {
  std::string text;
  for (const PairResult& result : results.pairs) {
    const double ours = result.PercentOf(kOursL);
    const double best = result.Percent(result.BestPeerBytes());
    if (ours <= best + kNamedAbovePeer) continue;
    text += "- " + result.pair.id + ": " + PercentText(ours) + " against " + PercentText(best) +
            ". " + (result.reason.empty() ? "Not explained yet." : result.reason) + "\n";
  }
  return text.empty() ? "None.\n" : text;
}

}  // namespace

std::string DeltaMarkdown(const DeltaResults& results, const std::string& command,
                          const std::string& machine) {
  std::string text =
      "# Update sizes\n\nWhat travels for an update of a model, in percent of the new artifact, by "
      "`sluice delta make`\nin each device class and by the general tools, in one run:\n\n    " +
      command + "\n\n" + machine +
      "\n\n![percent of the full artifact, by pair and tool](delta.svg)\n\n"
      "`sluice librsync` uses nothing but stock librsync deltas; `sluice full` and `zstd -19` know "
      "no base. Every\nresult was applied and its SHA-256 compared; ours once more by a program "
      "that was killed at the end of every block,\n" +
      std::to_string(KillsOf(results)) + " times in all.\n\n";
  text += SizeTable(results);
  text += MeanRow(results, "published", true, false);
  text += MeanRow(results, "trained", false, true);
  const auto is_published = [](const PairResult& result) { return result.pair.published; };
  const auto published = std::ranges::count_if(results.pairs, is_published);
  const auto made = std::ranges::count_if(
      results.pairs, [](const PairResult& result) { return result.pair.is_made; });
  if (published > 0 && published + made < std::ssize(results.pairs)) {
    text += MeanRow(results, "all", true, true);
  }
  if (made > 0) {
    text +=
        "\nPairs that say *made* are no public models: nobody publishes one before and after a "
        "LoRA is "
        "merged, so the\nbenchmark makes two matrices of 512 x 768 with such changes (weights of "
        "0.03, "
        "changes of 0.01, rank 8) and other\ntensors that stay. They count in no mean.\n";
  }
  if (results.snapped) {
    text += "\n" + results.snapped->pair + ", snapped at publish with `--step 0.5`: **" +
            PercentText(results.snapped->percent) + " %** of the artifact.\n";
  }
  text += "\n" + DigitsText(results.snapped_digits);
  text += "\n## Pairs that stay more than half a point above the best other tool\n\n" +
          NamedPairs(results);
  text +=
      "\n## Time and memory\n\nOver all pairs. CPU seconds of all threads; memory of the largest "
      "process, which is never less than the\nbenchmark's own at its start (about 5 MB). Ours "
      "decodes each payload once more while encoding, as a proof.\n\n" +
      CostTable(results);
  text +=
      "\n## Speed of the element codec\n\nDifferences of tensors in blocks of 64 KiB, one thread, "
      "in "
      "memory, the least of three rounds. *Plain* is the same\ncoder with nothing done for speed: "
      "each bit by itself, the kind looked up at each element, bytes through stdio\n"
      "(`plain_elem_coder.cc`).\n\n" +
      SpeedTable(results.codec_speeds);
  return text;
}

std::string DeltaPlot(const DeltaResults& results) {
  BarPlot plot;
  plot.title = "What travels, percent of the full artifact";
  for (const char* tool : kPlotted) plot.series.emplace_back(tool);
  for (const PairResult& result : results.pairs) {
    BarGroup group{result.pair.id, {}};
    for (const char* tool : kPlotted) group.values.push_back(result.PercentOf(tool));
    plot.groups.push_back(std::move(group));
  }
  return RenderSvg(plot);
}

}  // namespace sluice::bench
