// SPDX-License-Identifier: MIT
#include "tests/support/process.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace pcap_zmq::testing {
namespace {

TEST(Process, KeepsBothOutputsAndTheExitStatus) {
  auto process = Process::Start({"sh", "-c", "echo out; echo err >&2; exit 7"});
  ASSERT_TRUE(process.ok()) << process.error().message;
  EXPECT_EQ(process.value()->WaitForExit(), 7);
  EXPECT_EQ(process.value()->Stdout(), "out\n");
  EXPECT_EQ(process.value()->Stderr(), "err\n");
}

TEST(Process, WaitsForWordsOnStderrOfARunningProgram) {
  auto process = Process::Start({"sh", "-c", "echo ready >&2; exec sleep 1000"});
  ASSERT_TRUE(process.ok()) << process.error().message;
  EXPECT_TRUE(process.value()->WaitForStderr("ready"));
  EXPECT_FALSE(process.value()->WaitForStderr("other", std::chrono::milliseconds(1)));
  EXPECT_TRUE(process.value()->running());
  EXPECT_GT(process.value()->ResidentBytes(), 0u);
  process.value()->Signal(SIGTERM);
  EXPECT_EQ(process.value()->WaitForExit(), 128 + SIGTERM);
}

TEST(Process, RemembersTheMostMemoryThatAProgramHad) {
  auto process = Process::Start({"sh", "-c", "echo ready >&2; exec sleep 1000"});
  ASSERT_TRUE(process.ok()) << process.error().message;
  ASSERT_TRUE(process.value()->WaitForStderr("ready"));
  EXPECT_GE(process.value()->PeakResidentBytes(), process.value()->ResidentBytes());
  process.value()->ForgetPeak();
  EXPECT_GT(process.value()->PeakResidentBytes(), 0u);
  process.value()->Kill();
  EXPECT_EQ(process.value()->PeakResidentBytes(), 0u);
}

TEST(Process, IsGoneWhenItsObjectIs) {
  pid_t pid = 0;
  {
    auto process = Process::Start({"sleep", "1000"});
    ASSERT_TRUE(process.ok()) << process.error().message;
    pid = process.value()->pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(Process, HandsOnTheGivenVariablesButNoneOfItsOwnForThePrograms) {
  ::setenv("PCAP_ZMQ_LWM", "1", 1);
  Process::Options options;
  options.env = {"PCAP_ZMQ_HWM=2"};
  auto process = Process::Start({"sh", "-c", "echo $PCAP_ZMQ_LWM-$PCAP_ZMQ_HWM"}, options);
  ASSERT_TRUE(process.ok()) << process.error().message;
  EXPECT_EQ(process.value()->WaitForExit(), 0);
  EXPECT_EQ(process.value()->Stdout(), "-2\n");
}

TEST(Process, CanStartWithoutCapabilities) {
  Process::Options options;
  options.drop_net_admin = true;
  auto process = Process::Start({"grep", "CapEff", "/proc/self/status"}, options);
  ASSERT_TRUE(process.ok()) << process.error().message;
  EXPECT_EQ(process.value()->WaitForExit(), 0);
  EXPECT_EQ(process.value()->Stdout(), "CapEff:\t0000000000000000\n");
}

TEST(RunCommand, FeedsStdin) {
  const auto outcome = RunCommand({"cat"}, "some text");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome.value().out, "some text");
}

TEST(RunCommand, AMissingProgramIsAnError) {
  EXPECT_FALSE(RunCommand({"no-such-program-anywhere"}).ok());
  EXPECT_FALSE(HaveProgram("no-such-program-anywhere"));
  EXPECT_TRUE(HaveProgram("sh"));
}

TEST(RunOrFail, SaysWhatFailedAndWhy) {
  const Status status = RunOrFail({"sh", "-c", "echo because >&2; exit 3"});
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("ended with 3: because"), std::string::npos);
}

}  // namespace
}  // namespace pcap_zmq::testing
