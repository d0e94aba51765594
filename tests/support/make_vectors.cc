// make_vectors DIRECTORY: writes the golden vectors and their index, for schemas/vectors after a
// change of the contract.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/support/contract_vectors.h"

namespace {

bool WriteFile(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  if (!file) std::fprintf(stderr, "cannot write %s\n", path.c_str());
  return static_cast<bool>(file);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sluice;
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_vectors DIRECTORY\n");
    return 2;
  }
  const std::filesystem::path directory(argv[1]);
  const auto vectors = test_support::MakeContractVectors();
  for (const auto& vector : vectors) {
    if (!WriteFile(directory / vector.file, AsText(vector.bytes))) return 1;
  }
  return WriteFile(directory / "index.txt", test_support::IndexOf(vectors)) ? 0 : 1;
}
