// Every way to send a model that is measured, ours included: the commands that make and apply a
// patch.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/delta/measured_process.h"

namespace sluice::bench {

/// Commands with {old}, {new} and {work} in their words; they leave {work}/patch and {work}/out.
struct DeltaTool {
  std::string name;  // as the tables print it, and the key in the JSON
  std::vector<std::vector<std::string>> encode;
  std::vector<std::vector<std::string>> decode;
};

struct ToolRun {
  std::uint64_t patch_bytes = 0;
  ProcessCost encode;
  ProcessCost decode;
};

struct ToolFiles {
  std::string old_path;
  std::string new_path;
  std::string work;  // a folder that the run may fill
};

inline constexpr const char* kOursL = "sluice L";
inline constexpr const char* kOursM = "sluice M";
inline constexpr const char* kOursS = "sluice S";
inline constexpr const char* kOursLibrsync = "sluice librsync";
inline constexpr const char* kOursFull = "sluice full";
inline constexpr const char* kRdiff = "rdiff + zstd -19";
inline constexpr const char* kBsdiff = "bsdiff";
inline constexpr const char* kXdelta = "xdelta3 -9";
inline constexpr const char* kZstdPatch = "zstd -19 --patch-from";
inline constexpr const char* kZstdFull = "zstd -19";

/// Ours in each class, with stock librsync's commands alone, and without a base; then the others.
/// `sluice`: the program.
std::vector<DeltaTool> AllDeltaTools(const std::string& sluice);

/// Makes the patch, applies it and compares the result's SHA-256 with the new file's. E_NOT_FOUND
/// (no such program), E_STATE (it failed), E_ARTIFACT_HASH (it built something else).
Result<ToolRun> RunTool(const DeltaTool& tool, const ToolFiles& files);

/// SHA-256 of a file, without holding it.
Result<std::string> FileSha256(const std::string& path);

}  // namespace sluice::bench
