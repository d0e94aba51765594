#include "tests/bench/delta/killed_apply.h"

#include <filesystem>
#include <fstream>

#include "common/payload/container.h"
#include "tests/bench/delta/delta_tool.h"

namespace sluice::bench {
namespace {

namespace fs = std::filesystem;

Result<PayloadHead> ReadHead(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Bytes bytes(PayloadHead::kFixedSize);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  SLUICE_ASSIGN(const std::size_t size, HeadSizeOf(bytes));
  bytes.resize(size);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!file) return Fail(ErrorCode::kIo, "cannot read " + path);
  return ParseHead(bytes);
}

}  // namespace

Result<std::size_t> ApplyKilledAtEveryBlock(const ModelPair& pair, const std::string& sluice,
                                            const std::string& work) {
  std::error_code ignored;
  fs::remove_all(work, ignored);
  fs::create_directories(work, ignored);  // the first file tells
  const std::string patch = work + "/patch", out = work + "/out", log = work + "/log";
  SLUICE_TRY(
      RunMeasured({sluice, "delta", "make", pair.old_path, pair.new_path, "-o", patch}, log));
  SLUICE_ASSIGN(const PayloadHead head, ReadHead(patch));
  const std::vector<std::string> apply = {sluice, "delta", "apply", pair.old_path,
                                          patch,  "-o",    out};
  std::size_t kills = 0;
  for (; kills + 1 < head.rows.size(); ++kills) {
    // A write beyond the limit is SIGXFSZ, which nobody catches.
    const std::uint64_t limit = (kills + 1) * std::uint64_t{head.block_size};
    std::vector<std::string> killed = {"prlimit", "--core=0", "--fsize=" + std::to_string(limit)};
    killed.insert(killed.end(), apply.begin(), apply.end());
    const bool ended = RunMeasured(killed, log).has_value();
    if (ended || fs::file_size(out + ".part", ignored) != limit) {
      return Fail(ErrorCode::kState,
                  pair.id + ": not stopped behind block " + std::to_string(kills));
    }
  }
  SLUICE_TRY(RunMeasured(apply, log));
  SLUICE_ASSIGN(const std::string built, FileSha256(out));
  SLUICE_ASSIGN(const std::string wanted, FileSha256(pair.new_path));
  if (built != wanted) return Fail(ErrorCode::kArtifactHash, pair.id + ": built something else");
  return kills;
}

}  // namespace sluice::bench
