#include "device_sdk/examples/digits/trainer.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "common/base/check.h"

namespace sluice::digits {
namespace {

constexpr std::size_t kBatchImages = 16;
constexpr float kBeta1 = 0.9F;
constexpr float kBeta2 = 0.999F;
constexpr float kEpsilon = 1e-8F;

/// Adam's running means for one layer.
struct Moments {
  explicit Moments(const Layer& layer)
      : mean(layer.inputs, layer.outputs), square(layer.inputs, layer.outputs) {}
  Layer mean, square;
};

void Clear(Layer& layer) {
  std::fill(layer.weights.begin(), layer.weights.end(), 0.0F);
  std::fill(layer.biases.begin(), layer.biases.end(), 0.0F);
}

/// Adds one image's part to the gradient of a layer that saw `in` and whose outputs should have
/// been less by `error`.
void AddGradient(Layer& gradient, std::span<const float> in, std::span<const float> error) {
  float* weights = gradient.weights.data();
  for (std::size_t i = 0; i < gradient.inputs; ++i, weights += gradient.outputs) {
    const float x = in[i];
    if (x == 0.0F) continue;
    for (std::size_t o = 0; o < gradient.outputs; ++o) weights[o] += x * error[o];
  }
  for (std::size_t o = 0; o < gradient.outputs; ++o) gradient.biases[o] += error[o];
}

/// The error of the neurons below `layer`; those that ReLU had switched off have none.
void BackPropagate(const Layer& layer, std::span<const float> error, std::span<const float> below,
                   std::span<float> error_below) {
  const float* weights = layer.weights.data();
  for (std::size_t i = 0; i < layer.inputs; ++i, weights += layer.outputs) {
    float sum = 0;
    if (below[i] > 0.0F) {
      // Four sums that do not wait for each other.
      float part[4] = {};
      std::size_t o = 0;
      for (; o + 4 <= layer.outputs; o += 4) {
        for (std::size_t p = 0; p < 4; ++p) part[p] += weights[o + p] * error[o + p];
      }
      for (; o < layer.outputs; ++o) sum += weights[o] * error[o];
      sum += (part[0] + part[1]) + (part[2] + part[3]);
    }
    error_below[i] = sum;
  }
}

/// d(cross-entropy)/d(scores): softmax less the truth.
Scores OutputError(const Scores& scores, std::uint8_t label) {
  const float highest = *std::max_element(scores.begin(), scores.end());
  Scores error;
  float sum = 0;
  for (std::size_t c = 0; c < kClasses; ++c) sum += error[c] = std::exp(scores[c] - highest);
  for (float& value : error) value /= sum;
  error[label] -= 1.0F;
  return error;
}

class Adam {
 public:
  Adam(const Mlp& mlp, float learning_rate)
      : first_(mlp.first), second_(mlp.second), output_(mlp.output), rate_(learning_rate) {}

  void Step(Mlp& mlp, const Mlp& gradient, TrainedLayers layers) {
    ++steps_;
    correction1_ = 1 - std::pow(kBeta1, static_cast<float>(steps_));
    correction2_ = 1 - std::pow(kBeta2, static_cast<float>(steps_));
    Update(mlp.output, gradient.output, output_);
    if (layers == TrainedLayers::kOutputOnly) return;
    Update(mlp.first, gradient.first, first_);
    Update(mlp.second, gradient.second, second_);
  }

 private:
  void Update(Layer& layer, const Layer& gradient, Moments& moments) const {
    Update(layer.weights, gradient.weights, moments.mean.weights, moments.square.weights);
    Update(layer.biases, gradient.biases, moments.mean.biases, moments.square.biases);
  }
  void Update(std::span<float> values, std::span<const float> gradient, std::span<float> mean,
              std::span<float> square) const {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float g = gradient[i] / kBatchImages;
      mean[i] = kBeta1 * mean[i] + (1 - kBeta1) * g;
      square[i] = kBeta2 * square[i] + (1 - kBeta2) * g * g;
      values[i] -=
          rate_ * (mean[i] / correction1_) / (std::sqrt(square[i] / correction2_) + kEpsilon);
    }
  }

  Moments first_, second_, output_;
  const float rate_;
  int steps_ = 0;
  float correction1_ = 1, correction2_ = 1;
};

void AddImage(const Mlp& mlp, const Pixels& pixels, std::uint8_t label, TrainedLayers layers,
              Mlp& gradient) {
  Activations seen;
  Forward(mlp, pixels, seen);
  const Scores error = OutputError(seen.scores, label);
  AddGradient(gradient.output, seen.second, error);
  if (layers == TrainedLayers::kOutputOnly) return;
  std::array<float, kHidden> second_error;
  BackPropagate(mlp.output, error, seen.second, second_error);
  AddGradient(gradient.second, seen.first, second_error);
  std::array<float, kHidden> first_error;
  BackPropagate(mlp.second, second_error, seen.first, first_error);
  AddGradient(gradient.first, pixels, first_error);
}

void FillNormal(Layer& layer, Random& random) {
  const double deviation = std::sqrt(2.0 / static_cast<double>(layer.inputs));
  for (float& weight : layer.weights) {
    // A uniform distribution of that deviation does as well as a normal one.
    weight = static_cast<float>((2 * random.Unit() - 1) * std::sqrt(3.0) * deviation);
  }
}

}  // namespace

Mlp InitialWeights(Random& random) {
  Mlp mlp;
  FillNormal(mlp.first, random);
  FillNormal(mlp.second, random);
  FillNormal(mlp.output, random);
  return mlp;
}

void Train(Mlp& mlp, const Images& images, const TrainingPlan& plan, Random& random) {
  SLUICE_CHECK(!images.empty());
  Adam adam(mlp, plan.learning_rate);
  Mlp gradient;
  std::vector<std::size_t> order(images.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (int epoch = 0; epoch < plan.epochs; ++epoch) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
    for (std::size_t begin = 0; begin + kBatchImages <= order.size(); begin += kBatchImages) {
      Clear(gradient.first);
      Clear(gradient.second);
      Clear(gradient.output);
      for (std::size_t i = begin; i < begin + kBatchImages; ++i) {
        const LabelledImage& image = images[order[i]];
        const Pixels pixels = plan.augment ? plan.augment(image.pixels, random) : image.pixels;
        AddImage(mlp, pixels, image.label, plan.layers, gradient);
      }
      adam.Step(mlp, gradient, plan.layers);
    }
  }
}

}  // namespace sluice::digits
