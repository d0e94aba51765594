// digits-train: trains the example's releases and writes what a publisher hands in.
#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "device_sdk/examples/digits/release_files.h"

namespace {

sluice::Status TrainAndWrite(const std::string& images_path, const std::string& out,
                             std::uint64_t seed) {
  SLUICE_ASSIGN(const sluice::digits::DigitImages images, sluice::digits::LoadDigits(images_path));
  const auto releases = sluice::digits::TrainReleases(images, seed);
  for (const auto& release : releases) {
    fmt::print("{}: validate {:.4f}, field {:.4f}. {}\n", release.name, release.validate_accuracy,
               release.field_accuracy, release.note);
  }
  return sluice::digits::WriteReleases(out, releases, images.validate);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Trains the releases of the digits example.", "digits-train");
  std::string images_path;
  std::string out;
  std::uint64_t seed = sluice::digits::kDefaultSeed;
  app.add_option("--images", images_path, "optdigits.csv.gz")->required();
  app.add_option("--out", out, "the folder to write to")->required();
  app.add_option("--seed", seed, "another seed gives other weights");
  CLI11_PARSE(app, argc, argv);
  const sluice::Status done = TrainAndWrite(images_path, out, seed);
  if (done.has_value()) return 0;
  fmt::print(stderr, "digits-train: {}\n", done.error().Line());
  return 1;
}
