#include "device_sdk/daemon/hook_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

namespace sluice::device {
namespace {

using std::chrono::milliseconds;

HookCommand Shell(const std::string& script, milliseconds timeout = milliseconds(10'000)) {
  HookCommand command;
  command.argv = {"/bin/sh", "-c", script};
  command.timeout = timeout;
  return command;
}

HookOutcome Outcome(const HookCommand& command) {
  Result<HookOutcome> outcome = RunHook(command);
  EXPECT_TRUE(outcome.has_value()) << outcome.error().Line();
  return outcome.value_or(HookOutcome{});
}

TEST(RunHook, GivesTheLastLineOfStdoutAndTheExitCode) {
  const HookOutcome outcome = Outcome(Shell("echo first; echo '{\"n\":1}'; exit 11"));
  EXPECT_EQ(outcome.end, HookEnd::kExited);
  EXPECT_EQ(outcome.exit_code, 11);
  EXPECT_EQ(outcome.last_line, "{\"n\":1}");
}

TEST(RunHook, TakesALastLineWithoutNewlineAndWithCarriageReturn) {
  EXPECT_EQ(Outcome(Shell("printf 'a\\nb'")).last_line, "b");
  EXPECT_EQ(Outcome(Shell("printf 'a\\r\\n'")).last_line, "a");
  EXPECT_EQ(Outcome(Shell("true")).last_line, "");
}

TEST(RunHook, KeepsTheLastFourKilobytesOfStderr) {
  const HookOutcome outcome =
      Outcome(Shell("i=0; while [ $i -lt 900 ]; do echo line-$i >&2; i=$((i+1)); done; exit 1"));
  EXPECT_EQ(outcome.stderr_tail.size(), kHookStderrTail);
  EXPECT_TRUE(outcome.stderr_tail.ends_with("line-899\n"));
}

TEST(RunHook, EndsAHookThatTakesTooLongTogetherWithItsChildren) {
  const HookOutcome outcome = Outcome(Shell("sleep 600 & sleep 600", milliseconds(50)));
  EXPECT_EQ(outcome.end, HookEnd::kTimedOut);
}

TEST(RunHook, TellsASignalFromAnExit) {
  EXPECT_EQ(Outcome(Shell("kill -9 $$")).end, HookEnd::kSignalled);
}

TEST(RunHook, RefusesAHookThatPrintsWithoutEnd) {
  const Result<HookOutcome> outcome =
      RunHook(Shell("while true; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done"));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kHookOutput);
}

TEST(RunHook, NamesAProgramThatDoesNotExist) {
  HookCommand command;
  command.argv = {"/nonexistent/hook"};
  command.timeout = milliseconds(1'000);
  const Result<HookOutcome> outcome = RunHook(command);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kHookFailed);
  EXPECT_NE(outcome.error().text.find("/nonexistent/hook"), std::string::npos);
}

TEST(RunHook, PassesOnlyTheWhitelistedEnvironment) {
  setenv("SLUICE_TEST_SECRET", "leaked", 1);
  HookCommand command = Shell("echo \"$SLUICE_TEST_SECRET$SLUICE_DEVICE\"");
  command.environment["SLUICE_DEVICE"] = "cam-1";
  EXPECT_EQ(Outcome(command).last_line, "cam-1");
}

TEST(RunHook, LetsTheHookReadAnInheritedDescriptorAndNoOther) {
  std::FILE* shared = std::tmpfile();
  std::FILE* hidden = std::tmpfile();
  ASSERT_TRUE(shared != nullptr && hidden != nullptr);
  std::fputs("model bytes", shared);
  std::fflush(shared);
  const int fd = dup3(fileno(shared), 100, O_CLOEXEC);
  const int other = dup3(fileno(hidden), 101, O_CLOEXEC);
  ASSERT_EQ(fd, 100);
  ASSERT_EQ(other, 101);
  HookCommand command =
      Shell("cat /proc/self/fd/100; test -e /proc/self/fd/101 && echo ' and more'; true");
  command.inherited_fds = {fd};
  EXPECT_EQ(Outcome(command).last_line, "model bytes");
  close(fd);
  close(other);
  std::fclose(shared);
  std::fclose(hidden);
}

}  // namespace
}  // namespace sluice::device
