#include "device_sdk/examples/digits/serving_model.h"

#include <unistd.h>

#include <fstream>
#include <utility>

#include "common/crypto/digest.h"
#include "device_sdk/examples/digits/descriptor.h"

namespace sluice::digits {
namespace {

std::uint32_t ResidentKb() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return static_cast<std::uint32_t>(resident_pages * static_cast<std::uint64_t>(getpagesize()) /
                                    1024);
}

}  // namespace

Status ServingModel::Activate(ByteView bytes, std::chrono::microseconds latency_limit) {
  SLUICE_ASSIGN(Mlp mlp, LoadModel(bytes));
  mlp_ = std::move(mlp);
  latency_limit_ = latency_limit;
  figures_ = {};
  figures_.loaded_sha256 = Sha256(bytes).Hex();
  return {};
}

void ServingModel::Infer(const LabelledImage& image) {
  if (!mlp_) return;
  const std::int64_t start_us = NowUs();
  const Classification result = Classify(*mlp_, image.pixels);
  const std::int64_t latency_us = NowUs() - start_us;
  ++figures_.inferences;
  if (latency_limit_.count() > 0 && latency_us > latency_limit_.count()) ++figures_.over_latency;
  if (!result.finite) {
    ++figures_.errors;
    return;
  }
  ++figures_.labelled;
  if (result.digit == image.label) figures_.score_sum += 1;
}

AppFigures ServingModel::Figures() const {
  AppFigures figures = figures_;
  figures.rss_kb = ResidentKb();
  return figures;
}

}  // namespace sluice::digits
