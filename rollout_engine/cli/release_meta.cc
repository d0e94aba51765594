#include "rollout_engine/cli/release_meta.h"

#include <charconv>
#include <cmath>

#include "rollout_engine/config/yaml_reader.h"

namespace sluice {
namespace {

constexpr YamlLimits kMetaLimits{.bytes_max = 65'536, .depth_max = 8, .nodes_max = 2'000};
constexpr NumberRange kShare{.low = 0, .high = 1};
constexpr NumberRange kEpoch{.low = 0, .high = 4'294'967'295.0};
constexpr NumberRange kLatencyMs{.low = 0, .high = 3'600'000, .unit = "ms"};
constexpr NumberRange kLifeDays{.low = 0, .high = 3'650, .low_allowed = false, .unit = "days"};
constexpr std::int64_t kLifeDefaultMs = 180 * limits::kDay;

Error At(ErrorCode code, const std::string& path, const YamlNode& node, const std::string& what) {
  return {code, path + ", line " + std::to_string(node.line) + ": " + what};
}

Status ReadNames(const YamlReader& reader, std::string_view key, std::vector<std::string>& names) {
  const YamlEntry* entry = reader.Find(key);
  if (entry == nullptr) return {};
  if (entry->value.kind != YamlNode::Kind::kSequence) {
    return reader.Complain(ErrorCode::kYamlType, key, "not a list; write [a, b]");
  }
  names.clear();
  for (const YamlNode& item : entry->value.items) {
    if (item.kind != YamlNode::Kind::kScalar) {
      return Fail(At(ErrorCode::kYamlType, reader.PathOf(key), item, "not a name"));
    }
    names.push_back(item.text);
  }
  return {};
}

/// The only map whose keys are the publisher's own; what may be a name is CheckRelease's to say.
Status ReadMetrics(const YamlReader& reader, Metrics& metrics) {
  const YamlEntry* entry = reader.Find("metrics");
  if (entry == nullptr) return {};
  if (entry->value.kind != YamlNode::Kind::kMap) {
    return reader.Complain(ErrorCode::kYamlType, "metrics", "not a map; write {accuracy: 0.97}");
  }
  for (const YamlEntry& metric : entry->value.entries) {
    const std::string& text = metric.value.text;
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (metric.value.quoted || error != std::errc{} || end != text.data() + text.size() ||
        !std::isfinite(value)) {
      return Fail(At(ErrorCode::kYamlType, reader.PathOf("metrics") + "." + metric.key,
                     metric.value, "\"" + text + "\"; allowed is a finite number"));
    }
    metrics[metric.key] = value;
  }
  return {};
}

Status ReadValidation(const YamlReader& meta, ReleaseDraft& draft) {
  const YamlEntry* entry = meta.Find("validation");
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(const YamlReader reader, YamlReader::Open(entry->value, meta.PathOf("validation"),
                                                          {"file", "accuracy_tolerance"}));
  SLUICE_TRY(reader.Require("file"));
  SLUICE_TRY(reader.Text("file", draft.validation_path));
  return reader.Number("accuracy_tolerance", kShare, draft.accuracy_tolerance);
}

Status ReadLimits(const YamlReader& meta, HealthLimits& health) {
  const YamlEntry* entry = meta.Find("limits");
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(const YamlReader reader,
                YamlReader::Open(entry->value, meta.PathOf("limits"),
                                 {"error_rate_max", "latency_p99_max_ms", "accuracy_drop_max"}));
  SLUICE_TRY(reader.Number("error_rate_max", kShare, health.error_rate_max));
  SLUICE_TRY(reader.Number("latency_p99_max_ms", kLatencyMs, health.latency_p99_max_ms));
  return reader.Number("accuracy_drop_max", kShare, health.accuracy_drop_max);
}

/// What an artifact does not say itself it takes from the top of the file.
Status ReadCommon(const YamlReader& reader, ReleaseDraft::Artifact& artifact) {
  SLUICE_TRY(ReadNames(reader, "hardware", artifact.hardware));
  SLUICE_TRY(reader.Text("format", artifact.format));
  return reader.Text("runtime_abi", artifact.runtime_abi);
}

Status ReadArtifacts(const YamlReader& meta, ReleaseDraft& draft) {
  ReleaseDraft::Artifact common;
  SLUICE_TRY(ReadCommon(meta, common));
  const YamlEntry* entry = meta.Find("artifacts");
  if (entry == nullptr) {
    draft.artifacts.push_back(std::move(common));
    return {};
  }
  if (entry->value.kind != YamlNode::Kind::kSequence || entry->value.items.empty()) {
    return meta.Complain(ErrorCode::kYamlType, "artifacts", "not a list of artifacts");
  }
  for (std::size_t i = 0; i < entry->value.items.size(); ++i) {
    SLUICE_ASSIGN(const YamlReader reader,
                  YamlReader::Open(entry->value.items[i],
                                   meta.PathOf("artifacts") + "[" + std::to_string(i) + "]",
                                   {"file", "hardware", "format", "runtime_abi", "accuracy"}));
    ReleaseDraft::Artifact artifact = common;
    SLUICE_TRY(ReadCommon(reader, artifact));
    SLUICE_TRY(reader.Require("file"));
    SLUICE_TRY(reader.Text("file", artifact.path));
    SLUICE_TRY(reader.Number("accuracy", kShare, artifact.accuracy));
    draft.artifacts.push_back(std::move(artifact));
  }
  return {};
}

}  // namespace

Result<ReleaseMeta> ParseReleaseMeta(std::string_view yaml) {
  SLUICE_ASSIGN(const YamlNode root, ParseYaml(yaml, kMetaLimits));
  SLUICE_ASSIGN(const YamlReader reader,
                YamlReader::Open(root, "",
                                 {"model", "fleet", "format", "runtime_abi", "min_agent",
                                  "security_epoch", "floor_epoch", "hardware", "metrics",
                                  "validation", "limits", "expires_days", "artifacts"}));
  ReleaseMeta meta;
  meta.life_ms = kLifeDefaultMs;
  ReleaseDraft& draft = meta.draft;
  SLUICE_TRY(reader.Id("model", draft.model));
  SLUICE_TRY(reader.Id("fleet", draft.fleet_id));
  SLUICE_TRY(reader.Text("min_agent", draft.min_agent));
  SLUICE_TRY(reader.Whole("security_epoch", kEpoch, draft.security_epoch));
  SLUICE_TRY(reader.Whole("floor_epoch", kEpoch, draft.floor_epoch));
  SLUICE_TRY(ReadMetrics(reader, draft.metrics));
  SLUICE_TRY(ReadValidation(reader, draft));
  SLUICE_TRY(ReadLimits(reader, draft.limits));
  SLUICE_TRY(reader.Duration("expires_days", kLifeDays, limits::kDay, meta.life_ms));
  SLUICE_TRY(ReadArtifacts(reader, draft));
  return meta;
}

}  // namespace sluice
