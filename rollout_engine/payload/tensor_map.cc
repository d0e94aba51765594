#include "rollout_engine/payload/tensor_map.h"

#include <deque>
#include <tuple>
#include <unordered_map>

#include "rollout_engine/payload/element_cost.h"
#include "rollout_engine/payload/headerless.h"

namespace sluice {
namespace {

using Matches = std::vector<std::optional<std::size_t>>;

ByteView ContentOf(ByteView file, const Tensor& tensor) {
  return file.subspan(tensor.offset, tensor.length);
}

// A tensor's middle says as much of its likeness to another one as the whole does.
constexpr std::uint64_t kSampleBytes = 16'384;
// Old tensors of one shape that are compared with a new one.
constexpr std::size_t kCandidatesMax = 16;
// Differences that are cheaper than this share of the new elements alone come from a relative.
constexpr double kRelatedCost = 0.98;

ByteView SampleOf(ByteView content, ElementKind kind) {
  if (content.size() <= kSampleBytes) return content;
  const std::uint64_t begin = (content.size() - kSampleBytes) / 2;
  return content.subspan(begin - begin % ElementWidth(kind), kSampleBytes);
}

// Pairs what is still free on both sides, in order among equals.
class Matcher {
 public:
  Matcher(ByteView base, const TensorList& base_tensors, ByteView artifact,
          const TensorList& artifact_tensors)
      : base_(base),
        base_tensors_(base_tensors),
        artifact_(artifact),
        artifact_tensors_(artifact_tensors),
        matches_(artifact_tensors.size()),
        taken_(base_tensors.size()) {}

  Matches Run() {
    const auto by_name = [](bool, const Tensor& tensor) {
      return Key{tensor.name, tensor.length, tensor.kind};
    };
    PairBy(by_name);
    ReleaseStrangers();
    PairBy([this](bool is_old, const Tensor& tensor) {
      return Key{AsText(ContentOf(is_old ? base_ : artifact_, tensor)), tensor.length, tensor.kind};
    });
    PairByLikeness();
    PairBy(by_name);
    PairBy([](bool, const Tensor& tensor) { return Key{{}, tensor.length, tensor.kind}; });
    return std::move(matches_);
  }

 private:
  using Key = std::tuple<std::string_view, std::uint64_t, ElementKind>;
  struct Hash {
    std::size_t operator()(const Key& key) const {
      const auto& [text, length, kind] = key;
      return std::hash<std::string_view>{}(text) ^ (length * 31 + static_cast<std::size_t>(kind));
    }
  };
  using FreeTensors = std::unordered_map<Key, std::deque<std::size_t>, Hash>;

  template <class KeyOf>
  FreeTensors FreeBy(const KeyOf& key_of) const {
    FreeTensors free;
    for (std::size_t i = 0; i < base_tensors_.size(); ++i) {
      if (!taken_[i]) free[key_of(true, base_tensors_[i])].push_back(i);
    }
    return free;
  }

  // `key_of(is_old, tensor)`.
  template <class KeyOf>
  void PairBy(const KeyOf& key_of) {
    FreeTensors free = FreeBy(key_of);
    for (std::size_t i = 0; i < artifact_tensors_.size(); ++i) {
      if (matches_[i]) continue;
      const auto found = free.find(key_of(false, artifact_tensors_[i]));
      if (found == free.end() || found->second.empty()) continue;
      Take(i, found->second.front());
      found->second.pop_front();
    }
  }

  // Exporters number tensors anew, so that an old name may belong to another tensor of that shape.
  void ReleaseStrangers() {
    for (std::size_t i = 0; i < matches_.size(); ++i) {
      if (!matches_[i]) continue;
      if (DifferenceCostOf(i, *matches_[i]) < LiteralCostOf(i) * kRelatedCost) continue;
      taken_[*matches_[i]] = false;
      matches_[i].reset();
    }
  }

  // The nearest relative among the first free tensors of the shape.
  void PairByLikeness() {
    const auto by_shape = [](bool, const Tensor& tensor) {
      return Key{{}, tensor.length, tensor.kind};
    };
    FreeTensors free = FreeBy(by_shape);
    for (std::size_t i = 0; i < artifact_tensors_.size(); ++i) {
      if (matches_[i]) continue;
      const auto found = free.find(by_shape(false, artifact_tensors_[i]));
      if (found == free.end()) continue;
      std::deque<std::size_t>& candidates = found->second;
      std::optional<std::size_t> nearest;
      double lowest = LiteralCostOf(i) * kRelatedCost;
      for (std::size_t c = 0; c < std::min(candidates.size(), kCandidatesMax); ++c) {
        const double cost = DifferenceCostOf(i, candidates[c]);
        if (cost >= lowest) continue;
        lowest = cost;
        nearest = c;
      }
      if (!nearest) continue;
      Take(i, candidates[*nearest]);
      candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(*nearest));
    }
  }

  void Take(std::size_t artifact_index, std::size_t base_index) {
    matches_[artifact_index] = base_index;
    taken_[base_index] = true;
  }

  [[nodiscard]] double LiteralCostOf(std::size_t artifact_index) const {
    const Tensor& tensor = artifact_tensors_[artifact_index];
    return LiteralCost(tensor.kind, SampleOf(ContentOf(artifact_, tensor), tensor.kind));
  }
  [[nodiscard]] double DifferenceCostOf(std::size_t artifact_index, std::size_t base_index) const {
    const Tensor& tensor = artifact_tensors_[artifact_index];
    return DifferenceCost(tensor.kind,
                          SampleOf(ContentOf(base_, base_tensors_[base_index]), tensor.kind),
                          SampleOf(ContentOf(artifact_, tensor), tensor.kind));
  }

  const ByteView base_;
  const TensorList& base_tensors_;
  const ByteView artifact_;
  const TensorList& artifact_tensors_;
  Matches matches_;
  std::vector<bool> taken_;
};

// A tensor that grew or shrank along its first dimension, such as a vocabulary or a head with other
// classes, still begins with its old elements: how many bytes of them.
std::uint64_t OldPrefixLength(ByteView old_elements, ByteView elements, ElementKind kind) {
  const std::uint64_t length = std::min(old_elements.size(), elements.size());
  const ByteView old_sample = SampleOf(old_elements.first(length), kind);
  const ByteView sample = SampleOf(elements.first(length), kind);
  const bool is_related =
      DifferenceCost(kind, old_sample, sample) < LiteralCost(kind, sample) * kRelatedCost;
  return is_related ? length : 0;
}

// The old tensor of the same name and kind, and how far its elements go.
struct OldPrefix {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class OldPrefixes {
 public:
  OldPrefixes(ByteView base, const TensorList& base_tensors) : base_(base) {
    for (const Tensor& tensor : base_tensors) by_name_.try_emplace(tensor.name, &tensor);
  }
  [[nodiscard]] OldPrefix Of(ByteView artifact, const Tensor& tensor) const {
    const auto found = by_name_.find(tensor.name);
    if (tensor.name.empty() || found == by_name_.end() || found->second->kind != tensor.kind) {
      return {};
    }
    const Tensor& old_tensor = *found->second;
    return {old_tensor.offset, OldPrefixLength(ContentOf(base_, old_tensor),
                                               ContentOf(artifact, tensor), tensor.kind)};
  }

 private:
  const ByteView base_;
  std::unordered_map<std::string_view, const Tensor*> by_name_;
};

}  // namespace

std::vector<std::optional<std::size_t>> MatchTensors(ByteView base, const TensorList& base_tensors,
                                                     ByteView artifact,
                                                     const TensorList& artifact_tensors) {
  return Matcher(base, base_tensors, artifact, artifact_tensors).Run();
}

TensorExtentList MapTensors(std::optional<ByteView> base, ByteView artifact) {
  const TensorList tensors = WalkTensors(artifact);
  if (tensors.empty()) return GuessElements(base, artifact);
  const TensorList old_tensors = base ? WalkTensors(*base) : TensorList{};
  const Matches matches = MatchTensors(base.value_or(ByteView{}), old_tensors, artifact, tensors);
  const OldPrefixes prefixes(base.value_or(ByteView{}), old_tensors);
  TensorExtentList extents;
  extents.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    const OldPrefix old = matches[i] ? OldPrefix{old_tensors[*matches[i]].offset, tensor.length}
                                     : prefixes.Of(artifact, tensor);
    if (old.length > 0) {
      extents.push_back({tensor.offset, old.length, tensor.kind, old.offset, tensor.row_elements});
    }
    if (old.length < tensor.length) {
      extents.push_back(
          {tensor.offset + old.length, tensor.length - old.length, tensor.kind, std::nullopt});
    }
  }
  return extents;
}

}  // namespace sluice
