// Holds the table of schemas/topics.md against the code that builds and parses topics.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "common/contract/codec.h"
#include "common/contract/envelope.h"
#include "common/contract/limits.h"
#include "common/contract/topics.h"

namespace sluice {
namespace {

struct Row {
  std::string topic, qos, retained, payload;
  std::size_t bytes_max = 0;
};

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line.substr(1));
  for (std::string cell; std::getline(stream, cell, '|');) {
    const std::size_t first = cell.find_first_not_of(" `");
    const std::size_t last = cell.find_last_not_of(" `");
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
  }
  return cells;
}

std::vector<Row> Table() {
  std::ifstream file(SLUICE_SCHEMAS_DIR "/topics.md");
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `")) continue;
    const std::vector<std::string> cells = Cells(line);
    if (cells.size() != 7) {
      ADD_FAILURE() << "a row has seven cells: " << line;
      continue;
    }
    rows.push_back({cells[0], cells[3], cells[4], cells[5], std::stoul(cells[6])});
  }
  return rows;
}

std::string Filled(std::string topic) {
  const auto fill = [&](std::string_view hole, std::string_view value) {
    const std::size_t at = topic.find(hole);
    if (at != std::string::npos) topic.replace(at, hole.size(), value);
  };
  fill("<pNN>", "p07");
  fill("<device>", "cam-1");
  return topic;
}

/// Every topic that the code can build for one device.
std::set<std::string> BuiltTopics() {
  std::set<std::string> topics;
  for (const UpKind kind :
       {UpKind::kHello, UpKind::kReport, UpKind::kTelemetry, UpKind::kPresence, UpKind::kFetch}) {
    topics.insert(BuildTopic(UpTopic{7, "cam-1", kind}));
  }
  for (const DownKind kind : {DownKind::kDirective, DownKind::kChunk}) {
    topics.insert(BuildTopic(DownTopic{"cam-1", kind}));
  }
  for (const AllKind kind : {AllKind::kRoot, AllKind::kFreshness, AllKind::kOrder})
    topics.insert(BuildTopic(kind));
  return topics;
}

TEST(TopicsDocument, ListsExactlyTheTopicsThatTheCodeBuilds) {
  std::set<std::string> documented;
  for (const Row& row : Table()) documented.insert(Filled(row.topic));
  EXPECT_EQ(documented, BuiltTopics());
}

TEST(TopicsDocument, GivesTheCapsThatTheCodeApplies) {
  const std::map<std::string, std::size_t> caps = {
      {"Hello", limits::kHelloBytesMax},
      {"Report", limits::kReportBytesMax},
      {"Telemetry", limits::kTelemetryBytesMax},
      {"text", std::string_view("offline").size()},
      {"FetchRequest", limits::kFetchBytesMax},
      {"Chunk", limits::kMqttPayloadMax},
      {"Envelope(Root)", EnvelopeBytesMax(PayloadType::kRoot)},
      {"Envelope(Answer)", EnvelopeBytesMax(PayloadType::kAnswer)},
      {"Envelope(Order)", EnvelopeBytesMax(PayloadType::kOrder)},
      {"Envelope(Directive)", EnvelopeBytesMax(PayloadType::kDirective)},
      {"Envelope(Freshness)", EnvelopeBytesMax(PayloadType::kFreshness)},
  };
  std::set<std::string> seen;
  for (const Row& row : Table()) {
    ASSERT_TRUE(caps.contains(row.payload)) << row.payload;
    EXPECT_EQ(row.bytes_max, caps.at(row.payload)) << row.topic << " " << row.payload;
    EXPECT_LE(row.bytes_max, limits::kMqttPayloadMax);
    seen.insert(row.payload);
  }
  EXPECT_EQ(seen.size(), caps.size());
}

TEST(TopicsDocument, UsesQosZeroAndOneOnly) {
  for (const Row& row : Table()) {
    EXPECT_TRUE(row.qos == "0" || row.qos == "1") << row.topic;
    EXPECT_TRUE(row.retained == "yes" || row.retained == "no" || row.retained == "may")
        << row.topic;
  }
}

}  // namespace
}  // namespace sluice
