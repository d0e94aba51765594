#include "rollout_engine/cli/release_view.h"

#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/table.h"

namespace sluice {
namespace {

std::string HardwareOf(const Json& artifact) {
  std::string names;
  for (const Json& name : ItemsAt(artifact, "hardware")) {
    if (name.is_string()) names += (names.empty() ? "" : ",") + name.get<std::string>();
  }
  return names;
}

std::string AccuracyOf(const Json& release) {
  const auto metrics = release.find("metrics");
  if (metrics == release.end() || !metrics->contains("accuracy")) return "";
  return NumberText(NumberAt(*metrics, "accuracy"));
}

void AddRow(Table& table, const Json& release, bool wide) {
  std::string hardware;
  std::uint64_t size_bytes = 0;
  for (const Json& artifact : ItemsAt(release, "artifacts")) {
    hardware += (hardware.empty() ? "" : ",") + HardwareOf(artifact);
    size_bytes += static_cast<std::uint64_t>(IntegerAt(artifact, "size_bytes"));
  }
  std::vector<std::string> cells = {TextAt(release, "release"),
                                    TextAt(release, "model"),
                                    TextAt(release, "state"),
                                    hardware,
                                    SizeText(size_bytes),
                                    AccuracyOf(release),
                                    TimeText(IntegerAt(release, "created"))};
  if (wide) cells.push_back(std::to_string(IntegerAt(release, "release_seq")));
  table.Add(std::move(cells));
}

std::vector<std::string> Header(bool wide) {
  std::vector<std::string> header = {"NAME", "MODEL",    "STATE",  "HARDWARE",
                                     "SIZE", "ACCURACY", "CREATED"};
  if (wide) header.emplace_back("SEQ");
  return header;
}

}  // namespace

Status PrintReleases(Session& session, std::string_view list_json) {
  if (session.WantsDocument()) {
    return PrintDocument(session, list_json);
  }
  SLUICE_ASSIGN(const Json list, ParseJson(list_json));
  const bool wide = session.output == OutputFormat::kWide;
  Table table(Header(wide));
  for (const Json& release : ItemsAt(list, "items")) {
    if (session.output == OutputFormat::kName)
      session.out << Printable(TextAt(release, "release")) << "\n";
    AddRow(table, release, wide);
  }
  if (session.output != OutputFormat::kName) session.out << table.Render();
  return {};
}

Status PrintRelease(Session& session, std::string_view release_json) {
  if (session.WantsDocument()) {
    return PrintDocument(session, release_json);
  }
  SLUICE_ASSIGN(const Json release, ParseJson(release_json));
  if (session.output == OutputFormat::kName) {
    session.out << Printable(TextAt(release, "release")) << "\n";
    return {};
  }
  const bool wide = session.output == OutputFormat::kWide;
  Table table(Header(wide));
  AddRow(table, release, wide);
  session.out << table.Render();
  Table artifacts({"HARDWARE", "FORMAT", "SIZE", "ARTIFACT", "MANIFEST", "EXPIRES"});
  constexpr std::size_t kShortDigest = 12;
  const std::size_t digits = wide ? std::string::npos : kShortDigest;
  for (const Json& artifact : ItemsAt(release, "artifacts")) {
    artifacts.Add({HardwareOf(artifact), TextAt(artifact, "format"),
                   SizeText(static_cast<std::uint64_t>(IntegerAt(artifact, "size_bytes"))),
                   TextAt(artifact, "sha256").substr(0, digits),
                   TextAt(artifact, "manifest_sha256").substr(0, digits),
                   TimeText(IntegerAt(artifact, "expires"))});
  }
  session.out << artifacts.Render();
  return {};
}

}  // namespace sluice
