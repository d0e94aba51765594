#include "rollout_engine/engine/payload_forecast.h"

#include <algorithm>
#include <tuple>

#include "common/payload/container.h"

namespace sluice {
namespace {

struct Group {
  ForecastRow row;
  Digest artifact;
  PayloadRequest request;
};

// Hardware, base, class, codecs.
using GroupKey = std::tuple<std::string, Digest, MemoryClass, std::uint32_t>;

// The devices that the release would reach, by what they would fetch.
std::vector<Group> GroupsOf(const Release& release, const std::map<std::string, Device>& devices,
                            const ObjectStore& objects) {
  std::map<GroupKey, Group> groups;
  for (const auto& [id, device] : devices) {
    if (!device.hello || device.model() != release.model) continue;
    const ReleaseArtifact* const artifact = release.For(device.hardware());
    if (artifact == nullptr) continue;
    const auto& manifest = artifact->manifest;
    if (device.active_artifact == manifest.artifact_sha256) continue;
    const bool has_base = !device.active_artifact.IsZero() && objects.Has(device.active_artifact);
    const PayloadRequest request{.base = has_base ? device.active_artifact : Digest{},
                                 .memory_class = device.hello->memory_class,
                                 .codec_mask = device.hello->codec_mask & kCodecMaskV1};
    Group& group =
        groups[{device.hardware(), request.base, request.memory_class, request.codec_mask}];
    group.artifact = manifest.artifact_sha256;
    group.request = request;
    group.row.hardware = device.hardware();
    group.row.base = request.base;
    group.row.memory_class = request.memory_class;
    group.row.artifact_bytes = manifest.artifact_size;
    ++group.row.devices;
  }
  std::vector<Group> sorted;
  sorted.reserve(groups.size());
  for (auto& [key, group] : groups) sorted.push_back(std::move(group));
  std::ranges::stable_sort(sorted, std::ranges::greater{},
                           [](const Group& group) { return group.row.devices; });
  return sorted;
}

}  // namespace

std::vector<ForecastRow> ForecastPayloads(const Release& release,
                                          const std::map<std::string, Device>& devices,
                                          Offers& offers, const ObjectStore& objects) {
  std::vector<ForecastRow> rows;
  for (Group& group : GroupsOf(release, devices, objects)) {
    if (rows.size() == limits::kForecastRowsMax) break;
    if (!group.request.base.IsZero()) {
      group.row.base_release = offers.ReleaseNameOf(group.request.base);
    }
    const auto payload = offers.FindOrBuild(group.artifact, group.request);
    if (!payload) {
      group.row.problem = payload.error().Line();
    } else if (*payload) {
      group.row.payload_bytes = (*payload)->size_bytes;
    }
    rows.push_back(std::move(group.row));
  }
  return rows;
}

}  // namespace sluice
