#include "rollout_engine/payload/tensor.h"

#include "rollout_engine/payload/walkers.h"

namespace sluice {
namespace {

// Models in one file, and places that only look like one.
constexpr std::size_t kEmbeddedTriesMax = 256;

// Sorts, and leaves out what overlaps an earlier tensor (TFLite lets tensors share a buffer) or is
// no whole number of elements.
TensorList Normalised(TensorList tensors) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const Tensor& a, const Tensor& b) { return a.offset < b.offset; });
  TensorList kept;
  std::uint64_t end = 0;
  for (Tensor& tensor : tensors) {
    const bool fits = tensor.length > 0 && tensor.length % ElementWidth(tensor.kind) == 0;
    if (!fits || tensor.offset < end) continue;
    end = tensor.offset + tensor.length;
    kept.push_back(std::move(tensor));
  }
  return kept;
}

// The TFLite models that lie in `file` at any offset: alone, or in task bundles, asset packs and
// stored zips.
TensorList WalkEmbeddedTflite(ByteView file) {
  constexpr std::string_view kIdentifier = "TFL3";
  constexpr std::size_t kIdentifierAt = 4;
  const std::string_view text = AsText(file);
  TensorList all;
  std::size_t from = 0;
  for (std::size_t tries = 0; tries < kEmbeddedTriesMax; ++tries) {
    const std::size_t at = text.find(kIdentifier, from);
    if (at == std::string_view::npos) break;
    from = at + kIdentifier.size();
    if (at < kIdentifierAt) continue;
    const std::size_t begin = at - kIdentifierAt;
    auto tensors = WalkTflite(file.subspan(begin));
    if (!tensors) continue;
    TensorList model = Normalised(*std::move(tensors));
    if (model.empty() || all.size() + model.size() > kTensorsMax) continue;
    for (Tensor& tensor : model) {
      tensor.offset += begin;
      from = std::max<std::size_t>(from, tensor.offset + tensor.length);
      all.push_back(std::move(tensor));
    }
  }
  return Normalised(std::move(all));
}

}  // namespace

void MatrixShape::Add(std::uint64_t dimension) {
  if (rows_ == 1) {
    rows_ = dimension;
  } else if (dimension != 0 && row_elements_ > UINT32_MAX / dimension) {
    row_elements_ = 0;
  } else {
    row_elements_ *= dimension;
  }
}

std::uint32_t MatrixShape::RowElements(std::uint64_t elements) const {
  const bool fits =
      row_elements_ != 0 && elements % row_elements_ == 0 && elements / row_elements_ == rows_;
  return fits ? static_cast<std::uint32_t>(row_elements_) : 0;
}

TensorList WalkTensors(ByteView file) {
  if (auto tensors = WalkSafetensors(file)) return Normalised(*std::move(tensors));
  if (auto tensors = WalkOnnx(file)) return Normalised(*std::move(tensors));
  return WalkEmbeddedTflite(file);  // a file that is nothing but one model is the simplest case
}

}  // namespace sluice
