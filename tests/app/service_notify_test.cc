// SPDX-License-Identifier: MIT
#include "app/service_notify.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vector>

#include "tests/support/fake_clock.h"
#include "tests/support/notify_listener.h"
#include "tests/support/temp_dir.h"

namespace pcap_zmq {
namespace {

using testing::NotifyListener;

constexpr std::chrono::milliseconds kNow{0};

ServiceNotifier NotifierOf(const std::vector<std::string>& environment) {
  std::vector<const char*> pointers;
  pointers.reserve(environment.size() + 1);
  for (const std::string& variable : environment) {
    pointers.push_back(variable.c_str());
  }
  pointers.push_back(nullptr);
  return ServiceNotifier::FromEnvironment(pointers.data());
}

class ServiceNotify : public ::testing::Test {
 protected:
  testing::TempDir dir_;
};

TEST_F(ServiceNotify, ReportsGoToASocketWithAPath) {
  const NotifyListener manager(dir_.File("notify"));
  ServiceNotifier notifier = NotifierOf({"OTHER=x", "NOTIFY_SOCKET=" + manager.name()});
  notifier.Ready("reading nflog:0");
  notifier.Status("waiting");
  notifier.Ping();
  notifier.Stopping();
  EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=reading nflog:0");
  EXPECT_EQ(manager.Next(), "STATUS=waiting");
  EXPECT_EQ(manager.Next(), "WATCHDOG=1");
  EXPECT_EQ(manager.Next(), "STOPPING=1\nSTATUS=stopping");
}

TEST_F(ServiceNotify, ReportsGoToASocketWithAnAbstractName) {
  const NotifyListener manager("@pcap-zmq-test/" + std::to_string(::getpid()));
  NotifierOf({"NOTIFY_SOCKET=" + manager.name()}).Ready("up");
  EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=up");
}

TEST_F(ServiceNotify, WithoutAManagerNothingHappens) {
  ServiceNotifier none = NotifierOf({});
  none.Ready("up");
  none.Ping();
  EXPECT_EQ(none.watchdog_interval(), 0);
  NotifierOf({"NOTIFY_SOCKET=" + dir_.File("nobody-listens")}).Ready("up");
  NotifierOf({"NOTIFY_SOCKET=relative"}).Ready("up");
  NotifierOf({"NOTIFY_SOCKET=/" + std::string(200, 'x')}).Ready("up");
}

TEST_F(ServiceNotify, TheWatchdogIsThatOfThisProcess) {
  const std::string socket = "NOTIFY_SOCKET=" + dir_.File("notify");
  const std::string own = "WATCHDOG_PID=" + std::to_string(::getpid());
  const auto interval = [&](const std::vector<std::string>& variables) {
    std::vector<std::string> all = {socket};
    all.insert(all.end(), variables.begin(), variables.end());
    return NotifierOf(all).watchdog_interval();
  };
  EXPECT_EQ(interval({"WATCHDOG_USEC=30000000"}), 30 * kNanosPerSecond);
  EXPECT_EQ(interval({"WATCHDOG_USEC=30000000", own}), 30 * kNanosPerSecond);
  EXPECT_EQ(interval({"WATCHDOG_USEC=30000000", "WATCHDOG_PID=1"}), 0);
  EXPECT_EQ(interval({"WATCHDOG_USEC=soon"}), 0);
  EXPECT_EQ(interval({"WATCHDOG_USEC=-5"}), 0);
  EXPECT_EQ(interval({}), 0);
}

class ServiceReport : public ServiceNotify {
 protected:
  void SetUp() override {
    heartbeat_.Beat(clock_.MonotonicNow());
    watch_.Add("pump 1 (nflog:0)", {&heartbeat_});
    reporter_.Started("reading nflog:0");
    ASSERT_EQ(manager_.Next(), "READY=1\nSTATUS=reading nflog:0");
  }

  testing::FakeClock clock_;
  StopEvent stop_;
  Heartbeat heartbeat_;
  ThreadWatch watch_{&clock_};
  const NotifyListener manager_{dir_.File("notify")};
  ServiceNotifier notifier_ =
      NotifierOf({"NOTIFY_SOCKET=" + manager_.name(), "WATCHDOG_USEC=3000000"});
  ServiceReporter reporter_{&notifier_, &watch_, &stop_};
};

TEST_F(ServiceReport, PingsWhileAllThreadsMove) {
  reporter_.Report();
  EXPECT_EQ(manager_.Next(), "WATCHDOG=1");
  reporter_.Report();
  EXPECT_EQ(manager_.Next(), "WATCHDOG=1");
  EXPECT_EQ(manager_.Next(kNow), std::nullopt);
}

TEST_F(ServiceReport, AStalledThreadIsNamedOnceAndEndsThePings) {
  clock_.Advance(11 * kNanosPerSecond);
  reporter_.Report();
  clock_.Advance(kNanosPerSecond);
  reporter_.Report();
  EXPECT_EQ(manager_.Next(), "STATUS=pump 1 (nflog:0) has not moved for 11 s");
  EXPECT_EQ(manager_.Next(kNow), std::nullopt);

  heartbeat_.Beat(clock_.MonotonicNow());
  reporter_.Report();
  EXPECT_EQ(manager_.Next(), "STATUS=reading nflog:0");
  EXPECT_EQ(manager_.Next(), "WATCHDOG=1");
}

TEST_F(ServiceReport, AStopIsReportedOnceAndTheEndEndsTheWait) {
  const UniqueFd done(::eventfd(0, EFD_CLOEXEC));
  stop_.Request(0);
  EXPECT_FALSE(reporter_.WaitFor(done.get(), kNanosPerMilli));
  EXPECT_EQ(manager_.Next(), "STOPPING=1\nSTATUS=stopping");
  const uint64_t one = 1;
  ASSERT_EQ(::write(done.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  EXPECT_TRUE(reporter_.WaitFor(done.get(), 0));
  EXPECT_EQ(manager_.Next(), "WATCHDOG=1");
  EXPECT_EQ(manager_.Next(), "WATCHDOG=1");
  EXPECT_EQ(manager_.Next(kNow), std::nullopt);
}

}  // namespace
}  // namespace pcap_zmq
