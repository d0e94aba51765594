#include "device_sdk/examples/digits/mlp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "device_sdk/examples/digits/trainer.h"

namespace sluice::digits {
namespace {

/// A network of which only a few weights are not zero, so that its scores can be computed by hand.
Mlp HandMade() {
  Mlp mlp;
  const auto set = [](Layer& layer, std::size_t input, std::size_t output, float weight) {
    layer.weights[input * layer.outputs + output] = weight;
  };
  set(mlp.first, 0, 0, 2.0F);   // h0 = relu(2 p0 - 0.5)
  set(mlp.first, 1, 1, -1.0F);  // h1 = relu(-p1): never
  set(mlp.first, 63, 2, 1.0F);  // h2 = relu(p63 + p0)
  set(mlp.first, 0, 2, 1.0F);
  mlp.first.biases[0] = -0.5F;
  set(mlp.second, 0, 5, 1.0F);  // g5 = relu(h0 + 3 h1)
  set(mlp.second, 1, 5, 3.0F);
  set(mlp.second, 2, 6, -2.0F);  // g6 = relu(1 - 2 h2)
  mlp.second.biases[6] = 1.0F;
  set(mlp.output, 5, 4, 1.0F);  // s4 = g5
  set(mlp.output, 6, 9, 1.0F);  // s9 = g6 + 0.25
  mlp.output.biases[9] = 0.25F;
  return mlp;
}

TEST(Mlp, ComputesWhatAHandComputes) {
  Pixels pixels{};
  pixels[0] = 0.5F;
  pixels[1] = 1.0F;
  pixels[63] = 0.25F;
  Activations seen;
  Forward(HandMade(), pixels, seen);
  EXPECT_FLOAT_EQ(seen.first[0], 0.5F);
  EXPECT_FLOAT_EQ(seen.first[1], 0.0F);
  EXPECT_FLOAT_EQ(seen.first[2], 0.75F);
  EXPECT_FLOAT_EQ(seen.second[5], 0.5F);
  EXPECT_FLOAT_EQ(seen.second[6], 0.0F);
  EXPECT_FLOAT_EQ(seen.scores[4], 0.5F);
  EXPECT_FLOAT_EQ(seen.scores[9], 0.25F);
  EXPECT_EQ(Classify(HandMade(), pixels).digit, 4);
  EXPECT_EQ(Classify(HandMade(), Pixels{}).digit, 9) << "1.25 by the biases alone";
}

TEST(Mlp, GivesTheLowestOfEqualDigits) {
  EXPECT_EQ(Judge(Scores{}).digit, 0);
  Scores scores{};
  scores[3] = scores[8] = 1.0F;
  EXPECT_EQ(Judge(scores).digit, 3);
}

TEST(Mlp, SaysWhenAScoreIsNoNumber) {
  for (const float poison : {std::nanf(""), std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::infinity()}) {
    Scores scores{};
    scores[9] = poison;
    EXPECT_FALSE(Judge(scores).finite);
  }
  EXPECT_TRUE(Judge(Scores{}).finite);
}

TEST(Mlp, LetsANanInAnyLayerShow) {
  Pixels pixels{};
  pixels[0] = 1.0F;
  for (Layer Mlp::*layer : {&Mlp::first, &Mlp::second, &Mlp::output}) {
    SeededRandom random(1);
    Mlp mlp = InitialWeights(random);
    (mlp.*layer).biases[0] = std::nanf("");
    EXPECT_FALSE(Classify(mlp, pixels).finite);
  }
}

TEST(Mlp, SurvivesTheWayThroughTensors) {
  SeededRandom random(5);
  const Mlp mlp = InitialWeights(random);
  const auto back = FromTensors(ToTensors(mlp));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->first.weights, mlp.first.weights);
  EXPECT_EQ(back->second.weights, mlp.second.weights);
  EXPECT_EQ(back->output.weights, mlp.output.weights);
  EXPECT_EQ(back->output.biases, mlp.output.biases);
}

TEST(Mlp, KeepsARowPerOutputInItsTensors) {
  Mlp mlp;
  mlp.output.weights[7 * kClasses + 3] = 1.0F;  // from neuron 7 to digit 3
  const TensorFile file = ToTensors(mlp);
  ASSERT_EQ(file.tensors[4].name, "fc3.weight");
  EXPECT_EQ(file.tensors[4].shape, (std::vector<std::size_t>{kClasses, kHidden}));
  EXPECT_EQ(file.tensors[4].values[3 * kHidden + 7], 1.0F);
}

TEST(Mlp, RefusesTensorsOfAnotherNetwork) {
  const auto refused = [](const TensorFile& file) {
    const auto mlp = FromTensors(file);
    return !mlp.has_value() && mlp.error().code == ErrorCode::kLoad;
  };
  TensorFile missing = ToTensors(Mlp{});
  missing.tensors.pop_back();
  EXPECT_TRUE(refused(missing));
  TensorFile more = ToTensors(Mlp{});
  more.tensors.push_back({"fc4.bias", {1}, {0}});
  EXPECT_TRUE(refused(more));
  TensorFile renamed = ToTensors(Mlp{});
  renamed.tensors[0].name = "fc9.weight";
  EXPECT_TRUE(refused(renamed));
  TensorFile turned = ToTensors(Mlp{});
  std::swap(turned.tensors[0].shape[0], turned.tensors[0].shape[1]);
  EXPECT_TRUE(refused(turned));
}

TEST(Trainer, LearnsWhatAFewImagesShow) {
  Images images(32);
  for (std::size_t i = 0; i < images.size(); ++i) {
    images[i].label = static_cast<std::uint8_t>(i % 4);
    images[i].pixels[images[i].label * 5U] = 1.0F;
  }
  SeededRandom random(1);
  Mlp mlp = InitialWeights(random);
  Train(mlp, images,
        {.epochs = 30, .learning_rate = 1e-3F, .layers = TrainedLayers::kAll, .augment = {}},
        random);
  EXPECT_EQ(Accuracy(mlp, images), 1.0);
}

TEST(Trainer, LeavesTheOtherLayersAloneWhenAskedForTheOutputOnly) {
  SeededRandom random(1);
  const Mlp before = InitialWeights(random);
  Mlp after = before;
  Images images(16);
  images[3].label = 3;
  images[3].pixels[9] = 1.0F;
  Train(after, images,
        {.epochs = 2, .learning_rate = 1e-3F, .layers = TrainedLayers::kOutputOnly, .augment = {}},
        random);
  EXPECT_EQ(after.first.weights, before.first.weights);
  EXPECT_EQ(after.second.weights, before.second.weights);
  EXPECT_EQ(after.second.biases, before.second.biases);
  EXPECT_NE(after.output.weights, before.output.weights);
}

}  // namespace
}  // namespace sluice::digits
