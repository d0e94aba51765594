#include "tests/bench/delta/delta_tool.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "common/crypto/digest.h"

namespace sluice::bench {
namespace {

namespace fs = std::filesystem;

using Commands = std::vector<std::vector<std::string>>;

DeltaTool Ours(const std::string& sluice, const char* name, const std::string& base,
               const std::vector<std::string>& more) {
  std::vector<std::string> make = {sluice, "delta", "make", base, "{new}", "-o", "{work}/patch"};
  make.insert(make.end(), more.begin(), more.end());
  return {name, {make}, {{sluice, "delta", "apply", base, "{work}/patch", "-o", "{work}/out"}}};
}

std::string Filled(std::string word, const ToolFiles& files) {
  const std::pair<const char*, const std::string&> names[] = {
      {"{old}", files.old_path}, {"{new}", files.new_path}, {"{work}", files.work}};
  for (const auto& [name, value] : names) {
    if (const std::size_t at = word.find(name); at != std::string::npos) {
      word.replace(at, std::string_view(name).size(), value);
    }
  }
  return word;
}

Result<ProcessCost> RunCommands(const Commands& commands, const ToolFiles& files) {
  ProcessCost total;
  for (const std::vector<std::string>& command : commands) {
    std::vector<std::string> argv;
    for (const std::string& word : command) argv.push_back(Filled(word, files));
    SLUICE_ASSIGN(const ProcessCost cost, RunMeasured(argv, files.work + "/log"));
    total += cost;
  }
  return total;
}

}  // namespace

std::vector<DeltaTool> AllDeltaTools(const std::string& sluice) {
  const std::string patch = "{work}/patch", out = "{work}/out", delta = "{work}/delta";
  return {
      Ours(sluice, kOursL, "{old}", {}),
      Ours(sluice, kOursM, "{old}", {"--class", "M"}),
      Ours(sluice, kOursS, "{old}", {"--class", "S"}),
      Ours(sluice, kOursLibrsync, "{old}", {"--codec", "librsync"}),
      Ours(sluice, kOursFull, "-", {}),
      {kRdiff,
       {{"rdiff", "-b", "256", "-S", "32", "signature", "{old}", "{work}/signature"},
        {"rdiff", "delta", "{work}/signature", "{new}", delta},
        {"zstd", "-19", "-q", delta, "-o", patch}},
       {{"zstd", "-d", "-q", patch, "-o", "{work}/delta2"},
        {"rdiff", "patch", "{old}", "{work}/delta2", out}}},
      {kBsdiff, {{"bsdiff", "{old}", "{new}", patch}}, {{"bspatch", "{old}", out, patch}}},
      {kXdelta,
       {{"xdelta3", "-9", "-e", "-s", "{old}", "{new}", patch}},
       {{"xdelta3", "-d", "-s", "{old}", patch, out}}},
      {kZstdPatch,
       {{"zstd", "-19", "-q", "--patch-from={old}", "{new}", "-o", patch}},
       {{"zstd", "-d", "-q", "--patch-from={old}", patch, "-o", out}}},
      {kZstdFull,
       {{"zstd", "-19", "-q", "{new}", "-o", patch}},
       {{"zstd", "-d", "-q", patch, "-o", out}}},
  };
}

Result<std::string> FileSha256(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Fail(ErrorCode::kNotFound, path + ": cannot be read");
  const auto digest = Sha256OfFile(fd);
  ::close(fd);
  if (!digest) return Fail(digest.error().With(path));
  return digest->sha256.Hex();
}

Result<ToolRun> RunTool(const DeltaTool& tool, const ToolFiles& files) {
  std::error_code error;
  fs::remove_all(files.work, error);
  fs::create_directories(files.work, error);
  if (error) return Fail(ErrorCode::kIo, files.work + ": " + error.message());
  ToolRun run;
  SLUICE_ASSIGN(run.encode, RunCommands(tool.encode, files));
  run.patch_bytes = fs::file_size(files.work + "/patch", error);
  SLUICE_ASSIGN(run.decode, RunCommands(tool.decode, files));
  SLUICE_ASSIGN(const std::string built, FileSha256(files.work + "/out"));
  SLUICE_ASSIGN(const std::string wanted, FileSha256(files.new_path));
  if (error || built != wanted) {
    return Fail(ErrorCode::kArtifactHash, tool.name + " built something else from " +
                                              files.old_path + " than " + files.new_path);
  }
  return run;
}

}  // namespace sluice::bench
