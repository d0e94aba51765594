// Trains the classifier: Adam on softmax cross-entropy, in plain C++, the same result for the same
// seed.
#pragma once

#include <functional>

#include "common/base/random.h"
#include "device_sdk/examples/digits/mlp.h"

namespace sluice::digits {

enum class TrainedLayers { kAll, kOutputOnly };

struct TrainingPlan {
  int epochs = 1;
  float learning_rate = 1e-3F;
  TrainedLayers layers = TrainedLayers::kAll;
  /// Changes each image each time it is seen; nothing = images as they are.
  std::function<Pixels(const Pixels& image, Random& random)> augment;
};

/// Weights to start from, scaled for ReLU.
Mlp InitialWeights(Random& random);

/// REQUIRES: `images` is not empty.
void Train(Mlp& mlp, const Images& images, const TrainingPlan& plan, Random& random);

}  // namespace sluice::digits
