// The classifier: 64 -> 256 -> 256 -> 10 with ReLU, float32, in plain C++.
#pragma once

#include <array>
#include <vector>

#include "device_sdk/examples/digits/images.h"
#include "device_sdk/examples/digits/safetensors.h"

namespace sluice::digits {

inline constexpr std::size_t kHidden = 256;

/// weights[input * outputs + output]: the inner loop of the forward pass runs over outputs, which a
/// compiler may vectorise without changing a sum.
struct Layer {
  Layer(std::size_t input_count, std::size_t output_count)
      : inputs(input_count),
        outputs(output_count),
        weights(input_count * output_count),
        biases(output_count) {}
  std::size_t inputs, outputs;
  std::vector<float> weights;
  std::vector<float> biases;
};

struct Mlp {
  Layer first{kPixels, kHidden};
  Layer second{kHidden, kHidden};
  Layer output{kHidden, kClasses};
};

using Scores = std::array<float, kClasses>;

/// What every neuron says to one image; the trainer needs all of it.
struct Activations {
  std::array<float, kHidden> first;
  std::array<float, kHidden> second;
  Scores scores;
};

void Forward(const Mlp& mlp, const Pixels& pixels, Activations& out);

struct Classification {
  std::uint8_t digit = 0;
  bool finite = true;  // false: some score is NaN or infinite, so `digit` means nothing
};
Classification Classify(const Mlp& mlp, const Pixels& pixels);
/// The digit with the highest score, the lowest of equals.
Classification Judge(const Scores& scores);

/// The share of `images` that it gets right, 0..1.
double Accuracy(const Mlp& mlp, const Images& images);

/// Tensors "fc1.weight" [256, 64], "fc1.bias" and so on, the output layer last: a fine-tune of it
/// changes only the end of the file.
TensorFile ToTensors(const Mlp& mlp);
/// E_LOAD when a tensor is missing, of another shape or too many.
Result<Mlp> FromTensors(const TensorFile& file);

}  // namespace sluice::digits
