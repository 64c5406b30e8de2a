// SPDX-License-Identifier: MIT
#include "base/heartbeat.h"

#include <gtest/gtest.h>

namespace pcap_zmq {
namespace {

TEST(Heartbeat, IsSilentForTheTimeSinceTheLastBeat) {
  Heartbeat heartbeat;
  heartbeat.Beat(5 * kNanosPerSecond);
  EXPECT_EQ(heartbeat.SilentFor(5 * kNanosPerSecond), 0);
  EXPECT_EQ(heartbeat.SilentFor(17 * kNanosPerSecond), 12 * kNanosPerSecond);
  heartbeat.Beat(17 * kNanosPerSecond);
  EXPECT_EQ(heartbeat.SilentFor(18 * kNanosPerSecond), kNanosPerSecond);
}

TEST(Heartbeat, BeforeTheFirstBeatAndAtRestNothingIsExpected) {
  Heartbeat heartbeat;
  EXPECT_EQ(heartbeat.SilentFor(100 * kNanosPerSecond), 0);
  heartbeat.Beat(kNanosPerSecond);
  heartbeat.Rest();
  EXPECT_EQ(heartbeat.SilentFor(100 * kNanosPerSecond), 0);
}

TEST(Heartbeat, ABeatThatCameAfterTheLookAtTheClockIsNoSilence) {
  Heartbeat heartbeat;
  heartbeat.Beat(2 * kNanosPerSecond);
  EXPECT_EQ(heartbeat.SilentFor(kNanosPerSecond), 0);
}

}  // namespace
}  // namespace pcap_zmq
