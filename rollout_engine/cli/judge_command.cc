// `sluice rollout judge`: one recorded look, judged again.
#include <CLI/CLI.hpp>
#include <iostream>
#include <iterator>

#include "rollout_engine/cli/commands.h"
#include "rollout_engine/core/judge.h"
#include "rollout_engine/registry/file_io.h"
#include "rollout_engine/snapshot/snapshot_json.h"

namespace sluice {
namespace {

struct JudgeOptions {
  std::string file;
  bool check = false;
};

Result<std::string> ReadStandardInput() {
  std::string text;
  std::array<char, 65'536> part;
  while (std::cin.read(part.data(), part.size()) || std::cin.gcount() > 0) {
    text.append(part.data(), static_cast<std::size_t>(std::cin.gcount()));
    if (text.size() > kSnapshotBytesMax)
      return Fail(ErrorCode::kSnapshotInvalid, "standard input: longer than 512 MiB");
  }
  return text;
}

Result<std::string> ReadSnapshotFile(const std::string& path) {
  if (path == "-") return ReadStandardInput();
  auto bytes = ReadFile(path, kSnapshotBytesMax);
  if (!bytes) return Fail(ErrorCode::kSnapshotInvalid, bytes.error().text);
  return std::string(AsText(*bytes));
}

Status JudgeSnapshot(Session& session, const JudgeOptions& options) {
  SLUICE_ASSIGN(const std::string text, ReadSnapshotFile(options.file));
  SLUICE_ASSIGN(const Snapshot snapshot, ParseSnapshot(text));
  if (options.check && !snapshot.expected)
    return Fail(ErrorCode::kSnapshotInvalid, "expected: is missing, and --check compares with it");
  const SnapshotJson output = ToJson(Judge(snapshot.input));
  session.out << DumpSnapshot(output) << "\n";
  if (!options.check) return {};
  if (const auto difference = FirstDifference(*snapshot.expected, output, snapshot.tolerance_rel))
    return Fail(ErrorCode::kSnapshotDiffers, *difference);
  return {};
}

}  // namespace

void AddJudgeCommand(CLI::App& rollout, Session& session) {
  auto options = std::make_shared<JudgeOptions>();
  CLI::App* judge = rollout.add_subcommand(
      "judge", "judge a recorded look again: the decision with every statistic, as JSON");
  judge->add_option("SNAPSHOT", options->file, "a recorded look (JSON), or - for standard input")
      ->required();
  judge->add_flag("--check", options->check,
                  "compare with the file's `expected`; exit code 1 if the answer differs");
  judge->callback([&session, options] { session.Finish(JudgeSnapshot(session, *options)); });
}

}  // namespace sluice
