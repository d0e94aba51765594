// Reads schemas/vectors as an author of another implementation would, and checks that the files are
// what our code makes.
#include "tests/support/contract_vectors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "common/crypto/trust.h"

namespace sluice {
namespace {

Bytes ReadFile(const std::string& name) {
  std::ifstream file(std::filesystem::path(SLUICE_VECTORS_DIR) / name, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct IndexLine {
  std::string file, reader, code;
};

std::vector<IndexLine> ReadIndex() {
  std::ifstream file(std::filesystem::path(SLUICE_VECTORS_DIR) / "index.txt");
  std::vector<IndexLine> lines;
  for (std::string text; std::getline(file, text);) {
    if (text.starts_with('#')) continue;
    std::istringstream stream(text);
    IndexLine line;
    stream >> line.file >> line.reader >> line.code;
    lines.push_back(line);
  }
  return lines;
}

/// The code that reading the message gives; a good one must also be written back to the same bytes.
template <class T>
ErrorCode ReadMessage(ByteView bytes) {
  const Result<T> value = Decode<T>(bytes);
  if (!value) return value.error().code;
  const Bytes again = Encode(*value);
  EXPECT_TRUE(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
  return ErrorCode::kOk;
}

template <class T>
ErrorCode ReadSigned(const Trust& trust, ByteView envelope) {
  const Result<T> value = trust.Open<T>(envelope);
  if (!value) return value.error().code;
  EXPECT_EQ(Encode(*value), ParseEnvelope(envelope)->payload);
  return ErrorCode::kOk;
}

ErrorCode CodeOf(const Result<Trust>& trust) { return trust ? ErrorCode::kOk : trust.error().code; }

ErrorCode Read(const std::string& reader, ByteView bytes, const Trust& trust) {
  if (reader == "Hello") return ReadMessage<Hello>(bytes);
  if (reader == "Report") return ReadMessage<Report>(bytes);
  if (reader == "Telemetry") return ReadMessage<Telemetry>(bytes);
  if (reader == "FetchRequest") return ReadMessage<FetchRequest>(bytes);
  if (reader == "Chunk") return ReadMessage<Chunk>(bytes);
  if (reader == "InstalledRoot") return CodeOf(Trust::FromInstalledRoot(bytes));
  if (reader == "NextRoot") return CodeOf(trust.WithNextRoot(bytes));
  if (reader == "ReleaseManifest") return ReadSigned<ReleaseManifest>(trust, bytes);
  if (reader == "RevocationList") return ReadSigned<RevocationList>(trust, bytes);
  if (reader == "Directive") return ReadSigned<Directive>(trust, bytes);
  if (reader == "Order") return ReadSigned<Order>(trust, bytes);
  if (reader == "Freshness") return ReadSigned<Freshness>(trust, bytes);
  if (reader == "Answer") return ReadSigned<Answer>(trust, bytes);
  ADD_FAILURE() << "unknown reader " << reader;
  return ErrorCode::kInternal;
}

TEST(ContractVectors, GetTheAnswerThatTheIndexGives) {
  const Trust trust = Trust::FromInstalledRoot(ReadFile("good/root_1.bin")).value();
  const std::vector<IndexLine> lines = ReadIndex();
  ASSERT_FALSE(lines.empty());
  for (const IndexLine& line : lines) {
    SCOPED_TRACE(line.file);
    EXPECT_EQ(CodeName(Read(line.reader, ReadFile(line.file), trust)), line.code);
    EXPECT_EQ(line.code == "OK", line.file.starts_with("good/"));
  }
}

TEST(ContractVectors, AreAllInTheIndex) {
  std::set<std::string> indexed;
  for (const IndexLine& line : ReadIndex())
    EXPECT_TRUE(indexed.insert(line.file).second) << line.file;
  std::set<std::string> present;
  for (const std::string folder : {"good", "bad"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(SLUICE_VECTORS_DIR) / folder)) {
      present.insert(folder + "/" + entry.path().filename().string());
    }
  }
  EXPECT_EQ(indexed, present);
}

TEST(ContractVectors, AreWhatThisBuildMakes) {
  const auto vectors = test_support::MakeContractVectors();
  for (const auto& vector : vectors) {
    EXPECT_EQ(ReadFile(vector.file), vector.bytes)
        << vector.file
        << ": the contract changed; if that was meant, run make_vectors schemas/vectors";
  }
  EXPECT_EQ(AsText(ReadFile("index.txt")), test_support::IndexOf(vectors));
}

TEST(ContractVectors, DecodeToTheSampleValues) {
  EXPECT_EQ(Decode<Hello>(ReadFile("good/hello.bin")), test_support::SampleHello());
  EXPECT_EQ(Decode<Report>(ReadFile("good/report_failed.bin")), test_support::SampleReport());
  EXPECT_EQ(Decode<Telemetry>(ReadFile("good/telemetry.bin")), test_support::SampleTelemetry());
  EXPECT_EQ(Decode<FetchRequest>(ReadFile("good/fetch_ranges.bin")), test_support::SampleFetch());
  EXPECT_EQ(Decode<Chunk>(ReadFile("good/chunk.bin")), test_support::SampleChunk());
  const Trust trust = Trust::FromInstalledRoot(ReadFile("good/root_1.bin")).value();
  EXPECT_EQ(trust.Open<ReleaseManifest>(ReadFile("good/manifest.bin")),
            test_support::SampleManifest());
  EXPECT_EQ(trust.Open<RevocationList>(ReadFile("good/revocations.bin")),
            test_support::SampleRevocations());
  EXPECT_EQ(trust.Open<Directive>(ReadFile("good/directive_install.bin")),
            test_support::SampleInstall());
  EXPECT_EQ(trust.Open<Directive>(ReadFile("good/directive_revert.bin")),
            test_support::SampleRevert());
  EXPECT_EQ(trust.Open<Directive>(ReadFile("good/directive_hold.bin")), test_support::SampleHold());
  EXPECT_EQ(trust.Open<Order>(ReadFile("good/order.bin")), test_support::SampleOrder());
  EXPECT_EQ(trust.Open<Freshness>(ReadFile("good/freshness.bin")), test_support::SampleFreshness());
  EXPECT_EQ(trust.Open<Answer>(ReadFile("good/answer.bin")), test_support::SampleAnswer());
}

}  // namespace
}  // namespace sluice
