// Update sizes, times and memory of `sluice delta` and of the general tools, each as a program, on
// pairs of models that anybody can fetch, and on a few that the benchmark makes (made_pairs.h).
//
//   bench_delta --sluice PROGRAM --corpus DIR --cache DIR --reasons FILE --images FILE
//               [--pairs ID,...] [--out DIR] [--json FILE]
//
// ./dev bench delta gives the first five. Without --pairs, delta.md and delta.svg are written to
// docs/benchmarks, else only to --out. Exits 0 only if every goal is reached.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/bench/delta/codec_speed.h"
#include "tests/bench/delta/delta_corpus.h"
#include "tests/bench/delta/delta_table.h"
#include "tests/bench/delta/killed_apply.h"
#include "tests/bench/delta/made_pairs.h"
#include "tests/bench/delta/snapped_update.h"

namespace sluice::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSnappedPair = "cnn_full1e4.f32";
constexpr const char* kUsage =
    "bench_delta --sluice PROGRAM --corpus DIR --cache DIR --reasons FILE --images FILE "
    "[--pairs ID,...] [--out DIR] [--json FILE]";

struct Arguments {
  std::string sluice, corpus, cache, reasons, images, out, json;
  std::vector<std::string> pairs;  // empty: all
};

Result<Arguments> ParseArguments(const std::vector<std::string>& words) {
  Arguments arguments;
  const std::map<std::string, std::string*> texts = {
      {"--sluice", &arguments.sluice}, {"--corpus", &arguments.corpus},
      {"--cache", &arguments.cache},   {"--reasons", &arguments.reasons},
      {"--out", &arguments.out},       {"--json", &arguments.json},
      {"--images", &arguments.images}};
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    if (const auto text = texts.find(words[i]); text != texts.end()) {
      *text->second = words[i + 1];
    } else if (words[i] == "--pairs") {
      std::istringstream list(words[i + 1]);
      for (std::string id; std::getline(list, id, ',');) arguments.pairs.push_back(id);
    } else {
      return Fail(ErrorCode::kUsage, kUsage);
    }
  }
  if (words.size() % 2 != 0 || arguments.sluice.empty() || arguments.corpus.empty() ||
      arguments.cache.empty() || arguments.reasons.empty() || arguments.images.empty()) {
    return Fail(ErrorCode::kUsage, kUsage);
  }
  if (arguments.out.empty() && arguments.pairs.empty()) arguments.out = "docs/benchmarks";
  return arguments;
}

/// Keeps the pairs that were asked for; a name that is none is a mistake.
Status Select(const std::vector<std::string>& ids, Corpus& corpus) {
  for (const std::string& id : ids) {
    if (std::ranges::find(corpus.pairs, id, &ModelPair::id) == corpus.pairs.end())
      return Fail(ErrorCode::kNotFound, "no pair '" + id + "' in the index");
  }
  if (!ids.empty()) {
    std::erase_if(corpus.pairs, [&](const ModelPair& pair) {
      return std::ranges::find(ids, pair.id) == ids.end();
    });
  }
  return {};
}

Result<PairResult> MeasurePair(const ModelPair& pair, const Corpus& corpus,
                               const Arguments& arguments, const std::string& work) {
  PairResult result{.pair = pair, .runs = {}, .kills = 0, .baseline = {}, .reason = {}};
  if (const auto found = corpus.baselines.find(pair.id); found != corpus.baselines.end())
    result.baseline = found->second;
  if (const auto found = corpus.reasons.find(pair.id); found != corpus.reasons.end())
    result.reason = found->second;
  for (const DeltaTool& tool : AllDeltaTools(arguments.sluice)) {
    SLUICE_ASSIGN(result.runs[tool.name], RunTool(tool, {pair.old_path, pair.new_path, work}));
  }
  SLUICE_ASSIGN(result.kills, ApplyKilledAtEveryBlock(pair, arguments.sluice, work));
  std::printf("%-24s sluice L %6.2f  S %6.2f  rdiff %6.2f  best other %6.2f %s\n", pair.id.c_str(),
              result.PercentOf(kOursL), result.PercentOf(kOursS), result.PercentOf(kRdiff),
              result.Percent(result.BestPeerBytes()),
              result.Percent(result.BarBytes()) + kNamedAbovePeer < result.PercentOf(kOursL)
                  ? "ABOVE ITS BAR"
                  : "");
  std::fflush(stdout);
  return result;
}

Result<DeltaResults> Measure(const Corpus& corpus, const Arguments& arguments) {
  const std::string work =
      fs::temp_directory_path() / ("bench_delta." + std::to_string(::getpid()));
  DeltaResults results;
  for (const ModelPair& pair : corpus.pairs) {
    SLUICE_ASSIGN(PairResult result, MeasurePair(pair, corpus, arguments, work));
    results.pairs.push_back(std::move(result));
    if (pair.id == kSnappedPair) {
      SLUICE_ASSIGN(results.snapped, MeasureSnapped(pair, arguments.sluice, work));
    }
  }
  SLUICE_ASSIGN(results.snapped_digits,
                MeasureSnappedDigits(arguments.images, arguments.sluice, work));
  SLUICE_ASSIGN(results.codec_speeds, MeasureCodecSpeed(corpus.pairs));
  std::error_code ignored;
  fs::remove_all(work, ignored);
  return results;
}

Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) return Fail(ErrorCode::kIo, "cannot write " + path);
  return {};
}

/// What a reader would type; another corpus is theirs to name.
std::string CommandOf(const Arguments& arguments) {
  const bool is_ours = fs::path(arguments.corpus) == "tests/bench/corpus";
  std::string command = is_ours ? "./dev bench delta" : "./dev bench delta --corpus DIR";
  for (std::size_t i = 0; i < arguments.pairs.size(); ++i) {
    command += (i == 0 ? " --pairs " : ",") + arguments.pairs[i];
  }
  return command;
}

/// Whether every goal was reached.
Result<bool> Run(const std::vector<std::string>& words) {
  SLUICE_ASSIGN(const Arguments arguments, ParseArguments(words));
  SLUICE_ASSIGN(Corpus corpus, LoadCorpus(arguments.corpus, arguments.cache, arguments.reasons));
  SLUICE_ASSIGN(std::vector<ModelPair> made, MakePairs(arguments.cache + "/made"));
  std::ranges::move(made, std::back_inserter(corpus.pairs));
  SLUICE_TRY(Select(arguments.pairs, corpus));
  SLUICE_ASSIGN(const DeltaResults results, Measure(corpus, arguments));
  const std::vector<Goal> goals = DeltaGoals(results);
  const bool reached = PrintGoals(goals);
  if (!arguments.out.empty()) {
    SLUICE_TRY(WriteText(arguments.out + "/delta.md",
                         DeltaMarkdown(results, CommandOf(arguments), MachineText())));
    SLUICE_TRY(WriteText(arguments.out + "/delta.svg", DeltaPlot(results)));
  }
  if (!arguments.json.empty()) {
    SLUICE_TRY(WriteJson(arguments.json, goals, DeltaRows(results)));
  }
  return reached;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  const auto reached = sluice::bench::Run(std::vector<std::string>(argv + 1, argv + argc));
  if (!reached) {
    std::fprintf(stderr, "%s\n", reached.error().Line().c_str());
    return 2;
  }
  return *reached ? 0 : 1;
}
