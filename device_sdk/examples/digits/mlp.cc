#include "device_sdk/examples/digits/mlp.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace sluice::digits {
namespace {

void Apply(const Layer& layer, std::span<const float> in, std::span<float> out) {
  std::copy(layer.biases.begin(), layer.biases.end(), out.begin());
  const float* weights = layer.weights.data();
  for (std::size_t i = 0; i < layer.inputs; ++i, weights += layer.outputs) {
    const float x = in[i];
    if (x == 0.0F) continue;  // paper, and about half of the neurons after ReLU
    for (std::size_t o = 0; o < layer.outputs; ++o) out[o] += x * weights[o];
  }
}

void Relu(std::span<float> values) {
  // Written so that NaN stays NaN and is seen at the end.
  for (float& value : values) value = value < 0.0F ? 0.0F : value;
}

struct NamedLayer {
  const char* weight;
  const char* bias;
};
constexpr std::array<NamedLayer, 3> kLayerNames = {
    {{"fc1.weight", "fc1.bias"}, {"fc2.weight", "fc2.bias"}, {"fc3.weight", "fc3.bias"}}};

/// Tensors hold a row for each output, layers a row for each input.
std::vector<float> Transposed(const std::vector<float>& from, std::size_t rows,
                              std::size_t columns) {
  std::vector<float> to(from.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
  }
  return to;
}

}  // namespace

void Forward(const Mlp& mlp, const Pixels& pixels, Activations& out) {
  Apply(mlp.first, pixels, out.first);
  Relu(out.first);
  Apply(mlp.second, out.first, out.second);
  Relu(out.second);
  Apply(mlp.output, out.second, out.scores);
}

Classification Judge(const Scores& scores) {
  Classification result;
  for (std::size_t digit = 0; digit < kClasses; ++digit) {
    result.finite = result.finite && std::isfinite(scores[digit]);
    if (scores[digit] > scores[result.digit]) result.digit = static_cast<std::uint8_t>(digit);
  }
  return result;
}

Classification Classify(const Mlp& mlp, const Pixels& pixels) {
  Activations activations;
  Forward(mlp, pixels, activations);
  return Judge(activations.scores);
}

double Accuracy(const Mlp& mlp, const Images& images) {
  const auto right = std::count_if(images.begin(), images.end(), [&](const LabelledImage& image) {
    const Classification result = Classify(mlp, image.pixels);
    return result.finite && result.digit == image.label;
  });
  return static_cast<double>(right) / static_cast<double>(images.size());
}

TensorFile ToTensors(const Mlp& mlp) {
  TensorFile file;
  const std::array<const Layer*, 3> layers = {&mlp.first, &mlp.second, &mlp.output};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = *layers[i];
    file.tensors.push_back({kLayerNames[i].weight,
                            {layer.outputs, layer.inputs},
                            Transposed(layer.weights, layer.inputs, layer.outputs)});
    file.tensors.push_back({kLayerNames[i].bias, {layer.outputs}, layer.biases});
  }
  return file;
}

Result<Mlp> FromTensors(const TensorFile& file) {
  Mlp mlp;
  const std::array<Layer*, 3> layers = {&mlp.first, &mlp.second, &mlp.output};
  if (file.tensors.size() != 2 * layers.size()) {
    return Fail(ErrorCode::kLoad, std::to_string(file.tensors.size()) + " tensors, not 6");
  }
  for (const Tensor& tensor : file.tensors) {
    bool known = false;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Layer& layer = *layers[i];
      if (tensor.name == kLayerNames[i].weight &&
          tensor.shape == std::vector{layer.outputs, layer.inputs}) {
        layer.weights = Transposed(tensor.values, layer.outputs, layer.inputs);
        known = true;
      } else if (tensor.name == kLayerNames[i].bias && tensor.shape == std::vector{layer.outputs}) {
        layer.biases = tensor.values;
        known = true;
      }
    }
    if (!known) {
      return Fail(ErrorCode::kLoad,
                  "tensor '" + tensor.name + "' has no place in a 64-256-256-10 network");
    }
  }
  return mlp;
}

}  // namespace sluice::digits
