// SPDX-License-Identifier: MIT
#include "base/rate_limit.h"

#include <gtest/gtest.h>

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kSecond = kNanosPerSecond;

TEST(RateLimit, AllowsABurstAndThenOneAnInterval) {
  RateLimit limit(3, 10 * kSecond);
  uint64_t unsaid = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(limit.Take(100 * kSecond, &unsaid)) << i;
  }
  EXPECT_FALSE(limit.Take(100 * kSecond, &unsaid));
  EXPECT_FALSE(limit.Take(110 * kSecond - 1, &unsaid));
  EXPECT_TRUE(limit.Take(110 * kSecond, &unsaid));
  EXPECT_FALSE(limit.Take(110 * kSecond, &unsaid));
}

TEST(RateLimit, TellsHowOftenNothingWasSaid) {
  RateLimit limit(1, kSecond);
  uint64_t unsaid = 99;
  ASSERT_TRUE(limit.Take(kSecond, &unsaid));
  EXPECT_EQ(unsaid, 0U);
  for (int i = 0; i < 7; ++i) {
    ASSERT_FALSE(limit.Take(kSecond, &unsaid));
  }
  ASSERT_TRUE(limit.Take(2 * kSecond, &unsaid));
  EXPECT_EQ(unsaid, 7U);
  ASSERT_TRUE(limit.Take(3 * kSecond, &unsaid));
  EXPECT_EQ(unsaid, 0U);
}

TEST(RateLimit, SavesUpNoMoreThanItsBurst) {
  RateLimit limit(2, kSecond);
  uint64_t unsaid = 0;
  ASSERT_TRUE(limit.Take(kSecond, &unsaid));
  const Nanoseconds much_later = 100'000 * kSecond;
  EXPECT_TRUE(limit.Take(much_later, &unsaid));
  EXPECT_TRUE(limit.Take(much_later, &unsaid));
  EXPECT_FALSE(limit.Take(much_later, &unsaid));
}

}  // namespace
}  // namespace pcap_zmq
