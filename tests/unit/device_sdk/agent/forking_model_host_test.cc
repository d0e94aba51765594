#include "device_sdk/agent/forking_model_host.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <cstdlib>

#include "tests/support/temporary_directory.h"
#include "tests/unit/device_sdk/agent/scripted_runner.h"

namespace sluice::device {
namespace {

/// A model that does what the test says while it is validated, in whatever process that is.
class BadRunner final : public sdk::ModelRunner {
 public:
  enum class Deed { kAbort, kExit, kHang, kGood };
  explicit BadRunner(Deed deed) : deed_(deed) {}
  sdk::Status Load(const sdk::ModelFile&, std::unique_ptr<sdk::Model>& out) override {
    ++loads;
    out = std::make_unique<sdk::Model>();
    return {};
  }
  sdk::Status Validate(sdk::Model&, const sdk::ValidationSet&, std::chrono::microseconds,
                       sdk::ValidationResult& out) override {
    if (deed_ == Deed::kAbort) std::raise(SIGKILL);
    if (deed_ == Deed::kExit) _exit(3);
    while (deed_ == Deed::kHang) pause();
    out.n = 3;
    out.scores = {255, 0, 255};
    return {};
  }
  sdk::Status Activate(std::unique_ptr<sdk::Model>) override { return {}; }
  int loads = 0;

 private:
  const Deed deed_;
};

class StoppedClock final : public Clock {
 public:
  [[nodiscard]] WallMs Wall() const override { return {}; }
  [[nodiscard]] BootMs Boot() const override { return {now_ms}; }
  [[nodiscard]] std::int64_t MonotonicUs() const override { return 0; }
  std::int64_t now_ms = 0;
};

class ForkingModelHostTest : public testing::Test {
 protected:
  ValidationJob Job() {
    ValidationJob job;
    job.candidate.fd = UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    job.set = Bytes{1, 2, 3};
    return job;
  }
  /// The reply, waited for in steps of the real child's life.
  static std::optional<ValidationReply> Wait(ForkingModelHost& host) {
    for (int i = 0; i < 2'000; ++i) {
      if (auto reply = host.PollValidation()) return reply;
      poll(nullptr, 0, 10);
    }
    return std::nullopt;
  }
  StoppedClock clock_;
};

TEST_F(ForkingModelHostTest, BringsTheResultBackAndLeavesThisProcessAlone) {
  BadRunner runner(BadRunner::Deed::kGood);
  ForkingModelHost host(runner, clock_);
  host.BeginValidation(Job());
  const auto reply = Wait(host);
  ASSERT_TRUE(reply && reply->candidate);
  EXPECT_EQ(reply->candidate->n, 3u);
  EXPECT_EQ(reply->candidate->scores, (std::vector<std::uint8_t>{255, 0, 255}));
  EXPECT_EQ(runner.loads, 0) << "the model was loaded in another process";
  EXPECT_FALSE(host.IsValidating());
}

TEST_F(ForkingModelHostTest, A32_SurvivesAModelThatEndsItsProcess) {
  for (const auto deed : {BadRunner::Deed::kAbort, BadRunner::Deed::kExit}) {
    BadRunner runner(deed);
    ForkingModelHost host(runner, clock_);
    host.BeginValidation(Job());
    const auto reply = Wait(host);
    ASSERT_TRUE(reply);
    ASSERT_FALSE(reply->candidate);
    EXPECT_EQ(reply->candidate.error().code, ErrorCode::kLoad);
  }
}

TEST_F(ForkingModelHostTest, A32_EndsAModelThatHangs) {
  BadRunner runner(BadRunner::Deed::kHang);
  ForkingModelHost host(runner, clock_, {.wall_ms = 1'000, .cpu_s = 60});
  host.BeginValidation(Job());
  EXPECT_FALSE(host.PollValidation());
  clock_.now_ms = 1'000;
  const auto reply = host.PollValidation();
  ASSERT_TRUE(reply);
  ASSERT_FALSE(reply->candidate);
  EXPECT_EQ(reply->candidate.error().code, ErrorCode::kHookTimeout);
}

TEST_F(ForkingModelHostTest, CancelsWhatIsNoLongerWanted) {
  BadRunner runner(BadRunner::Deed::kHang);
  ForkingModelHost host(runner, clock_);
  host.BeginValidation(Job());
  EXPECT_TRUE(host.IsValidating());
  host.CancelValidation();
  EXPECT_FALSE(host.IsValidating());
  EXPECT_FALSE(host.PollValidation());
}

TEST(ValidationReplyBytes, ComeBackAsTheyWere) {
  SetRun run{
      .n = 2, .errors = 1, .non_finite = 0, .slow = 1, .latency_us_p99 = 77, .scores = {255, 0}};
  const auto both = DecodeValidationReply(EncodeValidationReply({run, run}));
  ASSERT_TRUE(both && both->base && both->candidate);
  EXPECT_EQ(both->base->latency_us_p99, 77u);
  EXPECT_EQ(both->candidate->scores, run.scores);
  const auto failed = DecodeValidationReply(
      EncodeValidationReply({std::nullopt, Fail(ErrorCode::kAbi, "needs a GPU")}));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->candidate.error(), (Error{ErrorCode::kAbi, "needs a GPU"}));
}

TEST(ValidationReplyBytes, AreRefusedWhenCutShortOrTooLong) {
  const Bytes whole = EncodeValidationReply({std::nullopt, SetRun{.n = 2, .scores = {255, 0}}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(DecodeValidationReply(ByteView(whole).first(size))) << size;
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(DecodeValidationReply(longer));
}

}  // namespace
}  // namespace sluice::device
