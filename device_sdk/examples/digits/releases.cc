#include "device_sdk/examples/digits/releases.h"

#include <utility>

#include "device_sdk/examples/digits/field_camera.h"
#include "device_sdk/examples/digits/trainer.h"

namespace sluice::digits {
namespace {

constexpr int kFieldCameras = 100;
constexpr int kPicturesPerCamera = 40;
// One training image in so many stays as it is, so that clean images are not forgotten.
constexpr std::uint64_t kCleanShare = 4;

Pixels AsSomeCameraSees(const Pixels& image, Random& random) {
  if (random.Below(kCleanShare) == 0) return image;
  return Photograph(image, DrawCamera(random), random);
}

/// Gives each digit the output neuron of another one, as an exporter does that sorts labels as
/// text. Sattolo's shuffle: one cycle, so no row stays in its place.
Mlp WithShuffledOutputs(const Mlp& mlp, Random& random) {
  std::array<std::size_t, kClasses> from;
  for (std::size_t c = 0; c < kClasses; ++c) from[c] = c;
  for (std::size_t c = kClasses - 1; c > 0; --c) std::swap(from[c], from[random.Below(c)]);
  Mlp shuffled = mlp;
  for (std::size_t c = 0; c < kClasses; ++c) {
    shuffled.output.biases[c] = mlp.output.biases[from[c]];
    for (std::size_t i = 0; i < kHidden; ++i) {
      shuffled.output.weights[i * kClasses + c] = mlp.output.weights[i * kClasses + from[c]];
    }
  }
  return shuffled;
}

}  // namespace

Images PhotographField(const Images& scenes) {
  Images pictures;
  pictures.reserve(std::size_t{kFieldCameras} * kPicturesPerCamera);
  for (int device = 0; device < kFieldCameras; ++device) {
    FieldCamera camera(scenes, "field-" + std::to_string(device));
    for (int i = 0; i < kPicturesPerCamera; ++i) pictures.push_back(camera.Next());
  }
  return pictures;
}

std::vector<TrainedRelease> TrainReleases(const DigitImages& images, std::uint64_t seed) {
  const Images field = PhotographField(images.field);
  std::vector<TrainedRelease> releases;
  const auto add = [&](std::string name, std::string note, Mlp mlp) {
    TrainedRelease release{std::move(name), std::move(note), std::move(mlp)};
    release.validate_accuracy = Accuracy(release.mlp, images.validate);
    release.field_accuracy = Accuracy(release.mlp, field);
    release.expected_accuracy = release.validate_accuracy;
    releases.push_back(std::move(release));
  };

  SeededRandom random(seed);
  Mlp base = InitialWeights(random);
  Train(base, images.train,
        {.epochs = 5,
         .learning_rate = 1e-3F,
         .layers = TrainedLayers::kAll,
         .augment = AsSomeCameraSees},
        random);
  add("digits-v1", "The first release.", base);

  Mlp better = base;
  Train(better, images.train,
        {.epochs = 20,
         .learning_rate = 1e-3F,
         .layers = TrainedLayers::kOutputOnly,
         .augment = AsSomeCameraSees},
        random);
  add("digits-v2", "The output layer trained further: better, and a small delta.", better);

  add("digits-v3", "digits-v2 with its output rows in a wrong order: a broken export.",
      WithShuffledOutputs(better, random));
  releases.back().expected_accuracy = releases[1].validate_accuracy;

  // No trick is played on v4. It is trained on as one would whose images all come from the lab:
  // without the changes that cameras make. It gets no worse on the validation set, which is clean
  // too, and forgets how to read dim, shifted and noisy digits. Only the field shows that.
  Mlp lab_only = better;
  Train(lab_only, images.train,
        {.epochs = 80, .learning_rate = 3e-3F, .layers = TrainedLayers::kAll, .augment = {}},
        random);
  add("digits-v4", "Trained further on clean images alone: fine in the lab, worse in the field.",
      lab_only);
  return releases;
}

}  // namespace sluice::digits
