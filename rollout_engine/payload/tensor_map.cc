#include "rollout_engine/payload/tensor_map.h"

#include <deque>
#include <tuple>
#include <unordered_map>

#include "rollout_engine/payload/headerless.h"

namespace sluice {
namespace {

using Matches = std::vector<std::optional<std::size_t>>;

ByteView ContentOf(ByteView file, const Tensor& tensor) {
  return file.subspan(tensor.offset, tensor.length);
}

// One round of matching: tensors with equal keys are paired in their order, those that are paired
// already are left out.
template <class Key>
class Round {
 public:
  Round(const TensorList& base_tensors, std::vector<bool>& taken)
      : base_tensors_(base_tensors), taken_(taken) {}

  template <class BaseKeyOf, class ArtifactKeyOf>
  void Pair(const TensorList& artifact_tensors, const BaseKeyOf& base_key,
            const ArtifactKeyOf& artifact_key, Matches& matches) {
    for (std::size_t i = 0; i < base_tensors_.size(); ++i) {
      if (!taken_[i]) free_[base_key(base_tensors_[i])].push_back(i);
    }
    for (std::size_t i = 0; i < artifact_tensors.size(); ++i) {
      if (matches[i]) continue;
      const auto found = free_.find(artifact_key(artifact_tensors[i]));
      if (found == free_.end() || found->second.empty()) continue;
      matches[i] = found->second.front();
      taken_[found->second.front()] = true;
      found->second.pop_front();
    }
  }

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const {
      const auto& [text, length, kind] = key;
      return std::hash<std::string_view>{}(text) ^ (length * 31 + static_cast<std::size_t>(kind));
    }
  };
  const TensorList& base_tensors_;
  std::vector<bool>& taken_;
  std::unordered_map<Key, std::deque<std::size_t>, Hash> free_;
};

}  // namespace

std::vector<std::optional<std::size_t>> MatchTensors(ByteView base, const TensorList& base_tensors,
                                                     ByteView artifact,
                                                     const TensorList& artifact_tensors) {
  using Key = std::tuple<std::string_view, std::uint64_t, ElementKind>;
  Matches matches(artifact_tensors.size());
  std::vector<bool> taken(base_tensors.size());
  const auto by_name = [](const Tensor& tensor) {
    return Key{tensor.name, tensor.length, tensor.kind};
  };
  const auto by_content_of = [](ByteView file) {
    return [file](const Tensor& tensor) {
      return Key{AsText(ContentOf(file, tensor)), tensor.length, tensor.kind};
    };
  };
  const auto by_shape = [](const Tensor& tensor) { return Key{{}, tensor.length, tensor.kind}; };
  Round<Key>(base_tensors, taken).Pair(artifact_tensors, by_name, by_name, matches);
  Round<Key>(base_tensors, taken)
      .Pair(artifact_tensors, by_content_of(base), by_content_of(artifact), matches);
  Round<Key>(base_tensors, taken).Pair(artifact_tensors, by_shape, by_shape, matches);
  return matches;
}

TensorExtentList MapTensors(std::optional<ByteView> base, ByteView artifact) {
  const TensorList tensors = WalkTensors(artifact);
  if (tensors.empty()) return GuessElements(base, artifact);
  const TensorList old_tensors = base ? WalkTensors(*base) : TensorList{};
  const Matches matches = MatchTensors(base.value_or(ByteView{}), old_tensors, artifact, tensors);
  TensorExtentList extents;
  extents.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    TensorExtent extent{tensors[i].offset, tensors[i].length, tensors[i].kind, std::nullopt};
    if (matches[i]) extent.base_offset = old_tensors[*matches[i]].offset;
    extents.push_back(extent);
  }
  return extents;
}

}  // namespace sluice
