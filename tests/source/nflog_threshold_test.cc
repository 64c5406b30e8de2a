// SPDX-License-Identifier: MIT
#include "source/nflog_threshold.h"

#include <gtest/gtest.h>

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kMillisecond = kNanosPerMilli;

TEST(FollowThreshold, BatchHoldsAMillisecondOfTrafficAndAQuarterMore) {
  EXPECT_EQ(FollowThreshold(1, 0, kMillisecond), 1U);
  EXPECT_EQ(FollowThreshold(1, 1'599, kMillisecond), 1U);
  EXPECT_EQ(FollowThreshold(1, 1'600, kMillisecond), 2U);
  EXPECT_EQ(FollowThreshold(1, 100'000, kMillisecond), 125U);
  EXPECT_EQ(FollowThreshold(1, 10'000'000, kMillisecond), kMaxNflogThreshold);
  EXPECT_EQ(FollowThreshold(kMaxNflogThreshold, 10'000'000, kMillisecond), kMaxNflogThreshold);
  EXPECT_EQ(FollowThreshold(1, UINT64_MAX, kMillisecond), kMaxNflogThreshold);
}

TEST(FollowThreshold, LatencySaysHowMuchTrafficABatchHolds) {
  EXPECT_EQ(FollowThreshold(1, 80'000, 5 * kMillisecond), 500U);
  EXPECT_EQ(FollowThreshold(1, 80'000, kMillisecond / 10), 10U);
  EXPECT_EQ(FollowThreshold(1, 1'000'000'000'000, kNanosPerSecond), kMaxNflogThreshold);
}

TEST(FollowThreshold, SmallChangesKeepTheBatchAndCalmAlwaysEndsIt) {
  EXPECT_EQ(FollowThreshold(120, 120'000, kMillisecond), 120U);
  EXPECT_EQ(FollowThreshold(120, 121'000, kMillisecond), 151U);
  EXPECT_EQ(FollowThreshold(120, 80'000, kMillisecond), 120U);
  EXPECT_EQ(FollowThreshold(120, 79'000, kMillisecond), 98U);
  EXPECT_EQ(FollowThreshold(3, 2'000, kMillisecond), 3U);
  EXPECT_EQ(FollowThreshold(100, 10, kMillisecond), 1U);
}

}  // namespace
}  // namespace pcap_zmq
