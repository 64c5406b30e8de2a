// SPDX-License-Identifier: MIT
#include "app/program_support.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "tests/support/scarcity.h"
#include "tests/support/wait.h"

namespace pcap_zmq {
namespace {

// The limit of open files, put back at the end.
class DescriptorLimit : public ::testing::Test {
 protected:
  DescriptorLimit() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~DescriptorLimit() override { ::setrlimit(RLIMIT_NOFILE, &before_); }

  void SetSoft(rlim_t soft) const {
    ASSERT_LE(soft, before_.rlim_max);
    const rlimit limit{.rlim_cur = soft, .rlim_max = before_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }

  rlimit before_{};
};

TEST_F(DescriptorLimit, IsRaisedAsFarAsAllowedAndNeverLowered) {
  SetSoft(100);
  RaiseDescriptorLimit();
  rlimit raised{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &raised), 0);
  EXPECT_EQ(raised.rlim_max, before_.rlim_max);
  EXPECT_EQ(raised.rlim_cur, std::min<rlim_t>(before_.rlim_max, 70'000));
  RaiseDescriptorLimit();
  rlimit again{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &again), 0);
  EXPECT_EQ(again.rlim_cur, raised.rlim_cur);
}

TEST_F(DescriptorLimit, LeavesConnectionsWhatTheOthersDoNotNeed) {
  SetSoft(1024);
  EXPECT_EQ(ConnectionsWithinLimit(10), 10U);
  EXPECT_EQ(ConnectionsWithinLimit(768), 768U);
  EXPECT_EQ(ConnectionsWithinLimit(1024), 768U);
  SetSoft(300);
  EXPECT_EQ(ConnectionsWithinLimit(1024), 150U);
  EXPECT_EQ(ConnectionsWithinLimit(1), 1U);
}

class SignalThreadTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<SignalThread>> Start() {
    auto signals = SignalWaiter::Block();
    EXPECT_TRUE(signals.ok());
    return Start(signals.Take());
  }
  Result<std::unique_ptr<SignalThread>> Start(SignalWaiter signals) {
    return SignalThread::Start(std::move(signals), &clock_, kNanosPerSecond, &stop_);
  }

  const SystemClock clock_;
  StopEvent stop_;
};

TEST_F(SignalThreadTest, ASignalBecomesARequestToStop) {
  const auto thread = Start();
  ASSERT_TRUE(thread.ok()) << thread.error().message;
  EXPECT_FALSE(stop_.requested());
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(testing::WaitUntil([&] { return stop_.requested(); }));
}

TEST_F(SignalThreadTest, WithoutAThreadOrADescriptorItIsAnError) {
  {
    const testing::NoNewThreads none;
    const auto thread = Start();
    ASSERT_FALSE(thread.ok());
    EXPECT_EQ(thread.error().kind, ErrorKind::kRuntime);
  }
  auto signals = SignalWaiter::Block();
  ASSERT_TRUE(signals.ok());
  const testing::NoNewDescriptors none;
  EXPECT_FALSE(Start(signals.Take()).ok());
}

}  // namespace
}  // namespace pcap_zmq
