// SPDX-License-Identifier: MIT
#include "base/stop_event.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>
#include <vector>

#include "tests/support/scarcity.h"

namespace pcap_zmq {
namespace {

bool Readable(const StopEvent& stop, int timeout_ms) {
  pollfd poll_fd{stop.fd(), POLLIN, 0};
  return ::poll(&poll_fd, 1, timeout_ms) == 1;
}

TEST(StopEvent, IsNotRaisedBeforeItIsRequested) {
  const StopEvent stop;
  EXPECT_FALSE(stop.requested());
  EXPECT_FALSE(Readable(stop, 0));
}

TEST(StopEvent, OneWithoutADescriptorSaysSo) {
  EXPECT_TRUE(StopEvent().status().ok());
  const testing::NoNewDescriptors none;
  const StopEvent stop;
  ASSERT_FALSE(stop.status().ok());
  EXPECT_EQ(stop.status().error().kind, ErrorKind::kRuntime);
}

TEST(StopEvent, RequestRaisesItForGood) {
  StopEvent stop;
  stop.Request(42);
  EXPECT_TRUE(stop.requested());
  EXPECT_EQ(stop.deadline(), 42);
  EXPECT_TRUE(Readable(stop, 0));
  EXPECT_TRUE(Readable(stop, 0));
}

TEST(StopEvent, LaterRequestCanOnlyBringTheDeadlineForward) {
  StopEvent stop;
  stop.Request(100);
  stop.Request(200);
  EXPECT_EQ(stop.deadline(), 100);
  stop.Request(50);
  EXPECT_EQ(stop.deadline(), 50);
  EXPECT_TRUE(stop.requested());
  EXPECT_TRUE(Readable(stop, 0));
}

TEST(StopEvent, RequestWakesAThreadThatWaits) {
  StopEvent stop;
  bool woken = false;
  std::thread waiter([&] { woken = Readable(stop, 20'000); });
  stop.Request(1);
  waiter.join();
  EXPECT_TRUE(woken);
}

TEST(StopEvent, TheEarliestOfConcurrentRequestsWins) {
  StopEvent stop;
  std::vector<std::thread> threads;
  for (Nanoseconds first = 1; first <= 4; ++first) {
    threads.emplace_back([&stop, first] {
      for (Nanoseconds deadline = 1000; deadline > 0; deadline -= 4) {
        stop.Request(deadline + first);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(stop.deadline(), 5);
}

}  // namespace
}  // namespace pcap_zmq
