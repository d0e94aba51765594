// How a snapshot is written and compared.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "common/base/check.h"
#include "rollout_engine/snapshot/snapshot_json.h"

namespace sluice {
namespace {

constexpr std::size_t kIndent = 2;

/// As Python's repr: shortest, and always told apart from an integer.
std::string ShortestReal(double number) {
  SLUICE_CHECK(std::isfinite(number));
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number);
  SLUICE_CHECK(end.ec == std::errc());
  std::string real(text.data(), end.ptr);
  if (real.find_first_of(".e") == std::string::npos) real += ".0";
  return real;
}

std::string Scalar(const SnapshotJson& json) {
  if (json.is_number_float()) return ShortestReal(json.get<double>());
  return json.dump(-1, ' ', false, SnapshotJson::error_handler_t::replace);
}

void Append(const SnapshotJson& json, std::size_t indent, std::string& out) {
  if (json.is_primitive() || json.empty()) {
    out += Scalar(json);
    return;
  }
  const bool is_object = json.is_object();
  const std::string margin(indent + kIndent, ' ');
  out += is_object ? "{" : "[";
  bool first = true;
  for (const auto& [key, value] : json.items()) {
    out += first ? "\n" : ",\n";
    first = false;
    out += margin;
    if (is_object) out += Scalar(key) + ": ";
    Append(value, indent + kIndent, out);
  }
  out += "\n" + std::string(indent, ' ') + (is_object ? "}" : "]");
}

bool IsReal(const SnapshotJson& json) { return json.is_number_float(); }

/// Both numbers, at least one of them written as a real.
bool AreReals(const SnapshotJson& a, const SnapshotJson& b) {
  return a.is_number() && b.is_number() && (IsReal(a) || IsReal(b));
}

std::optional<std::string> Difference(const SnapshotJson& expected, const SnapshotJson& actual,
                                      double tolerance_rel, const std::string& path) {
  if (expected.is_object() && actual.is_object()) {
    const std::string prefix = path.empty() ? "" : path + ".";
    for (const auto& [key, value] : expected.items()) {
      const auto found = actual.find(key);
      if (found == actual.end()) return prefix + key + ": expected, but not there";
      if (auto difference = Difference(value, *found, tolerance_rel, prefix + key)) {
        return difference;
      }
    }
    for (const auto& [key, value] : actual.items()) {
      if (!expected.contains(key)) return prefix + key + ": there, but not expected";
    }
    return std::nullopt;
  }
  if (AreReals(expected, actual)) {
    const double a = expected.get<double>();
    const double b = actual.get<double>();
    if (std::abs(a - b) <= tolerance_rel * std::max(std::abs(a), std::abs(b))) return std::nullopt;
  } else if (expected == actual) {
    return std::nullopt;
  }
  return path + ": expected " + Scalar(expected) + ", not " + Scalar(actual);
}

}  // namespace

std::string DumpSnapshot(const SnapshotJson& json) {
  std::string out;
  Append(json, 0, out);
  return out;
}

std::optional<std::string> FirstDifference(const SnapshotJson& expected, const SnapshotJson& actual,
                                           double tolerance_rel) {
  return Difference(expected, actual, tolerance_rel, "");
}

}  // namespace sluice
