// SPDX-License-Identifier: MIT
#include "source/nflog_threshold.h"

#include <gtest/gtest.h>

namespace pcap_zmq {
namespace {

TEST(FollowThreshold, BatchHoldsAboutAMillisecondOfTraffic) {
  EXPECT_EQ(FollowThreshold(1, 0), 1U);
  EXPECT_EQ(FollowThreshold(1, 1'999), 1U);
  EXPECT_EQ(FollowThreshold(1, 2'000), 2U);
  EXPECT_EQ(FollowThreshold(1, 100'000), 100U);
  EXPECT_EQ(FollowThreshold(1, 10'000'000), kMaxNflogThreshold);
  EXPECT_EQ(FollowThreshold(1, UINT64_MAX), kMaxNflogThreshold);
}

TEST(FollowThreshold, SmallChangesKeepTheBatchAndCalmAlwaysEndsIt) {
  EXPECT_EQ(FollowThreshold(100, 125'000), 100U);
  EXPECT_EQ(FollowThreshold(100, 126'000), 126U);
  EXPECT_EQ(FollowThreshold(100, 75'000), 100U);
  EXPECT_EQ(FollowThreshold(100, 74'000), 74U);
  EXPECT_EQ(FollowThreshold(4, 3'000), 4U);
  EXPECT_EQ(FollowThreshold(100, 10), 1U);
}

}  // namespace
}  // namespace pcap_zmq
