#include "device_sdk/agent/reporter.h"

#include <gtest/gtest.h>

#include "device_sdk/slots/file_slot_store.h"
#include "device_sdk/slots/posix_file_system.h"
#include "tests/support/temporary_directory.h"

namespace sluice::device {
namespace {

class SinkTransport final : public Transport {
 public:
  Status Start(Will, std::vector<Subscription>, TransportEvents&) override { return {}; }
  Status SetSubscriptions(std::vector<Subscription>) override { return {}; }
  void Stop() override {}
  Result<std::uint64_t> Publish(std::string_view, ByteView payload, Qos, bool) override {
    if (refuses) return Fail(ErrorCode::kBackpressure, "full");
    const Result<Report> report = Decode<Report>(payload);
    EXPECT_TRUE(report) << report.error().Line();
    sent.push_back(report->seq);
    texts.push_back(report->text);
    return sent.size();
  }
  void Reconnect() override {}
  [[nodiscard]] LinkUse Used() const override { return {}; }
  bool refuses = false;
  std::vector<std::uint64_t> sent;
  std::vector<std::string> texts;
};

class ReporterTest : public testing::Test {
 protected:
  ReporterTest() {
    SeededRandom random(1);
    EXPECT_TRUE(FileSlotStore::Create(files_, directory_.File("state"), 2, random));
    store_ = std::move(*FileSlotStore::Open(files_, directory_.File("state")));
    Begin();
  }
  void Begin() { reporter_ = std::make_unique<Reporter>(*store_, transport_, "t"); }
  static Report Some(ReportState state = ReportState::kDownloading) {
    Report report;
    report.state = state;
    return report;
  }
  using Seqs = std::vector<std::uint64_t>;

  test_support::TemporaryDirectory directory_;
  PosixFileSystem files_;
  std::unique_ptr<FileSlotStore> store_;
  SinkTransport transport_;
  std::unique_ptr<Reporter> reporter_;
};

TEST_F(ReporterTest, SendsOneLineOfWhateverAHookSaid) {
  reporter_->OnConnected();
  Report report = Some(ReportState::kFailed);
  report.text =
      "hook failed twice; its last words: Traceback:\n  boom \xFF\n" + std::string(600, 'x');
  reporter_->Add(report, {0});
  ASSERT_EQ(transport_.texts.size(), 1u);
  EXPECT_EQ(transport_.texts[0].substr(0, 54),
            "hook failed twice; its last words: Traceback:   boom ?");
  EXPECT_EQ(transport_.texts[0].size(), limits::kReportTextMax);
}

TEST_F(ReporterTest, NumbersReportsOnAcrossRestarts) {
  reporter_->Add(Some(), {0});
  reporter_->Add(Some(), {0});
  Begin();
  reporter_->OnConnected();
  reporter_->Add(Some(), {0});
  EXPECT_EQ(transport_.sent, (Seqs{3}));
  reporter_->OnHelloSaid({0});
  EXPECT_EQ(transport_.sent, (Seqs{3, 1, 2})) << "the third is on its way";
}

TEST_F(ReporterTest, SendsAgainAfterAMinuteThenLessOften) {
  reporter_->OnConnected();
  reporter_->Add(Some(), {0});
  reporter_->Poll({limits::kReportRetryFirst - 1});
  EXPECT_EQ(transport_.sent.size(), 1u);
  reporter_->Poll({limits::kReportRetryFirst});
  EXPECT_EQ(transport_.sent.size(), 2u);
  EXPECT_EQ(reporter_->NextDeadline()->ms, 3 * limits::kReportRetryFirst);
}

TEST_F(ReporterTest, DropsWhatAnAnswerCovers) {
  for (int i = 0; i < 3; ++i) reporter_->Add(Some(), {0});
  reporter_->OnAnswer(2, {0});
  EXPECT_EQ(store_->PendingReports().size(), 1u);
  reporter_->OnAnswer(1, {0});
  EXPECT_EQ(store_->PendingReports().size(), 1u);
  reporter_->OnAnswer(3, {0});
  EXPECT_TRUE(store_->PendingReports().empty());
  EXPECT_FALSE(reporter_->NextDeadline());
}

TEST_F(ReporterTest, DoesNotTakeForOnItsWayWhatWentToALostConnectionOrEngine) {
  reporter_->OnConnected();
  reporter_->Add(Some(), {0});
  reporter_->OnHelloSaid({1});
  EXPECT_EQ(transport_.sent, (Seqs{1}));
  reporter_->OnEngineBack();
  reporter_->OnHelloSaid({2});
  EXPECT_EQ(transport_.sent, (Seqs{1, 1}));
  reporter_->OnDisconnected();
  reporter_->OnConnected();
  reporter_->OnHelloSaid({3});
  EXPECT_EQ(transport_.sent, (Seqs{1, 1, 1}));
}

TEST_F(ReporterTest, SendsWithAnAnswerWhatNobodyHasHeard) {
  reporter_->OnConnected();
  for (int i = 0; i < 3; ++i) reporter_->Add(Some(), {0});
  reporter_->OnAnswer(1, {1});
  EXPECT_EQ(transport_.sent, (Seqs{1, 2, 3})) << "the others are on their way";
  reporter_->OnEngineBack();
  reporter_->OnAnswer(2, {2});
  EXPECT_EQ(transport_.sent, (Seqs{1, 2, 3, 3}));
}

TEST_F(ReporterTest, TriesAgainWhenTheTransportIsFull) {
  reporter_->OnConnected();
  transport_.refuses = true;
  EXPECT_EQ(reporter_->Add(Some(), {0}), 0u);
  transport_.refuses = false;
  reporter_->Poll({limits::kReportRetryFirst});
  EXPECT_EQ(transport_.sent, (Seqs{1}));
}

TEST_F(ReporterTest, CutsATextThatIsTooLong) {
  Report report = Some();
  report.text.assign(10'000, 'x');
  reporter_->OnConnected();
  EXPECT_NE(reporter_->Add(report, {0}), 0u);
}

}  // namespace
}  // namespace sluice::device
