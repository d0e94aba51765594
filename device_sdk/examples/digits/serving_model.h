// The model that an application serves, and the application's own account of how that goes. Not
// thread-safe.
#pragma once

#include <chrono>
#include <optional>

#include "device_sdk/examples/digits/hook_answer.h"

namespace sluice::digits {

class ServingModel {
 public:
  /// Hashes these bytes, loads them and swaps; all figures start at 0. On error (E_LOAD) the former
  /// model serves on.
  Status Activate(ByteView bytes, std::chrono::microseconds latency_limit);
  /// Reads one image and counts; does nothing without a model.
  void Infer(const LabelledImage& image);
  /// With the resident memory of this process as it is now.
  [[nodiscard]] AppFigures Figures() const;

 private:
  std::optional<Mlp> mlp_;
  std::chrono::microseconds latency_limit_{0};  // 0 = none
  AppFigures figures_;
};

}  // namespace sluice::digits
