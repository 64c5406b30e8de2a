// SPDX-License-Identifier: MIT
#include "source/nflog_threshold.h"

#include <gtest/gtest.h>

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kMillisecond = kNanosPerMilli;

TEST(FollowThreshold, BatchHoldsAboutAMillisecondOfTraffic) {
  EXPECT_EQ(FollowThreshold(1, 0, kMillisecond), 1U);
  EXPECT_EQ(FollowThreshold(1, 1'999, kMillisecond), 1U);
  EXPECT_EQ(FollowThreshold(1, 2'000, kMillisecond), 2U);
  EXPECT_EQ(FollowThreshold(1, 100'000, kMillisecond), 100U);
  EXPECT_EQ(FollowThreshold(1, 10'000'000, kMillisecond), kMaxNflogThreshold);
  EXPECT_EQ(FollowThreshold(1, UINT64_MAX, kMillisecond), kMaxNflogThreshold);
}

TEST(FollowThreshold, LatencySaysHowMuchTrafficABatchHolds) {
  EXPECT_EQ(FollowThreshold(1, 100'000, 5 * kMillisecond), 500U);
  EXPECT_EQ(FollowThreshold(1, 100'000, kMillisecond / 10), 10U);
  EXPECT_EQ(FollowThreshold(1, 1'000'000'000'000, kNanosPerSecond), kMaxNflogThreshold);
}

TEST(FollowThreshold, SmallChangesKeepTheBatchAndCalmAlwaysEndsIt) {
  EXPECT_EQ(FollowThreshold(100, 125'000, kMillisecond), 100U);
  EXPECT_EQ(FollowThreshold(100, 126'000, kMillisecond), 126U);
  EXPECT_EQ(FollowThreshold(100, 75'000, kMillisecond), 100U);
  EXPECT_EQ(FollowThreshold(100, 74'000, kMillisecond), 74U);
  EXPECT_EQ(FollowThreshold(4, 3'000, kMillisecond), 4U);
  EXPECT_EQ(FollowThreshold(100, 10, kMillisecond), 1U);
}

}  // namespace
}  // namespace pcap_zmq
