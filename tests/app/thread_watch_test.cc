// SPDX-License-Identifier: MIT
#include "app/thread_watch.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace pcap_zmq {
namespace {

class ThreadWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    first_.Beat(clock_.MonotonicNow());
    second_.Beat(clock_.MonotonicNow());
  }

  testing::FakeClock clock_;
  Heartbeat first_;
  Heartbeat second_;
  ThreadWatch watch_{&clock_};
};

TEST_F(ThreadWatchTest, ASilentThreadIsNamedWithTheTimeOfItsSilence) {
  watch_.Add("pump 1 (nflog:0)", {&first_});
  watch_.Add("pump 2 (nflog:1)", {&second_});
  clock_.Advance(12 * kNanosPerSecond);
  first_.Beat(clock_.MonotonicNow());
  EXPECT_EQ(watch_.Stalled(), "pump 2 (nflog:1) has not moved for 12 s");
}

TEST_F(ThreadWatchTest, PatienceIsUsedUpBeforeAnybodyIsNamed) {
  watch_.Add("pump 1 (nflog:0)", {&first_});
  clock_.Advance(ThreadWatch::kPatience);
  EXPECT_EQ(watch_.Stalled(), std::nullopt);
  clock_.Advance(1);
  EXPECT_EQ(watch_.Stalled(), "pump 1 (nflog:0) has not moved for 10 s");
}

TEST_F(ThreadWatchTest, SeveralSilentThreadsAreAllNamed) {
  watch_.Add("the receiver", {&first_});
  watch_.Add("output file:/x", {&second_});
  clock_.Advance(60 * kNanosPerSecond);
  EXPECT_EQ(watch_.Stalled(),
            "the receiver has not moved for 60 s, output file:/x has not moved for 60 s");
}

TEST_F(ThreadWatchTest, AThreadThatBeatsInOneOfItsPlacesIsAlive) {
  watch_.Add("the receiver, writing to -", {&first_, &second_});
  clock_.Advance(60 * kNanosPerSecond);
  second_.Beat(clock_.MonotonicNow());
  EXPECT_EQ(watch_.Stalled(), std::nullopt);
  clock_.Advance(11 * kNanosPerSecond);
  EXPECT_EQ(watch_.Stalled(), "the receiver, writing to - has not moved for 11 s");
}

TEST_F(ThreadWatchTest, AThreadThatMovesAgainOrHasEndedIsForgotten) {
  watch_.Add("pump 1 (nflog:0)", {&first_});
  clock_.Advance(60 * kNanosPerSecond);
  EXPECT_TRUE(watch_.Stalled().has_value());
  first_.Beat(clock_.MonotonicNow());
  EXPECT_EQ(watch_.Stalled(), std::nullopt);
  first_.Rest();
  clock_.Advance(60 * kNanosPerSecond);
  EXPECT_EQ(watch_.Stalled(), std::nullopt);
}

}  // namespace
}  // namespace pcap_zmq
