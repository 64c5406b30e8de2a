// SPDX-License-Identifier: MIT
#include "source/nflog_threshold.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "source/packet_source.h"
#include "tests/source/simulated_group.h"

namespace pcap_zmq {
namespace {

using testing::SimulatedGroup;

constexpr Nanoseconds kMillisecond = kNanosPerMilli;
constexpr Nanoseconds kStart = 1'000 * kNanosPerSecond;

/// A group's rate, told what has come every ten milliseconds.
class GroupRateTest : public ::testing::Test {
 protected:
  GroupRateTest() { rate_.Update(now_, captured_); }

  void Follow(Nanoseconds duration, uint64_t packets_per_second) {
    for (Nanoseconds end = now_ + duration; now_ < end;) {
      now_ += kFollowInterval;
      captured_ += packets_per_second / 100;
      rate_.Update(now_, captured_);
    }
  }
  uint64_t rate() const { return rate_.packets_per_second(); }

  GroupRate rate_;
  Nanoseconds now_ = kStart;
  uint64_t captured_ = 0;
};

TEST_F(GroupRateTest, GoesUpByNineTenthsWithinATenthOfASecond) {
  EXPECT_EQ(rate(), 0U);
  Follow(100 * kMillisecond, 100'000);
  EXPECT_GE(rate(), 90'000U);
  EXPECT_LE(rate(), 100'000U);
  Follow(100 * kMillisecond, 300'000);
  EXPECT_GE(rate(), 280'000U);
  EXPECT_LE(rate(), 300'000U);
}

TEST_F(GroupRateTest, GoesDownByHalfInASixthOfASecond) {
  Follow(kNanosPerSecond, 100'000);
  ASSERT_EQ(rate(), 100'000U);
  Follow(100 * kMillisecond, 0);
  EXPECT_GE(rate(), 60'000U) << "a pause does not end a burst";
  Follow(80 * kMillisecond, 0);
  EXPECT_LE(rate(), 50'000U);
  Follow(kNanosPerSecond, 0);
  EXPECT_LE(rate(), 1'000U);
}

TEST_F(GroupRateTest, IsTheSameForAnyIntervalOfSteadyTraffic) {
  Follow(2 * kNanosPerSecond, 20'000);
  EXPECT_EQ(rate(), 20'000U);
  rate_.Update(now_ + 250 * kMillisecond, captured_ + 5'000);
  EXPECT_EQ(rate(), 20'000U);
  rate_.Update(now_ + 251 * kMillisecond, captured_ + 5'020);
  EXPECT_EQ(rate(), 20'000U);
}

TEST_F(GroupRateTest, PacketsAtOnceCountByHowManyTheyAre) {
  rate_.Update(now_ + 1, 500);
  EXPECT_NEAR(static_cast<double>(rate()), 12'500, 1) << "500 in 40 ms";
  EXPECT_EQ(GroupRate().packets_per_second(), 0U);
}

TEST_F(GroupRateTest, WithoutTimeThereIsNoRate) {
  Follow(kNanosPerSecond, 20'000);
  rate_.Update(now_, captured_ + 1'000);
  EXPECT_EQ(rate(), 20'000U);
  rate_.Update(now_ + kFollowInterval, captured_ + 1'200);
  EXPECT_GT(rate(), 40'000U) << "they count once time has passed";
}

TEST(FollowedThreshold, ABurstIsGatheredFromItsFirstHundredMillisecondsOn) {
  SimulatedGroup group;
  group.RunSteadily(kNanosPerSecond, 20);
  ASSERT_EQ(group.threshold(), 1U);
  const uint64_t batches = group.batches();
  group.RunSteadily(100 * kMillisecond, 100'000);
  EXPECT_GE(group.threshold(), 100U);
  EXPECT_LE(group.threshold(), 150U);
  EXPECT_LE(group.batches() - batches, 2'000U) << "of 10,000 packets";
  const uint64_t found = group.batches();
  group.RunSteadily(900 * kMillisecond, 100'000);
  EXPECT_LE(group.batches() - found, 900U) << "of a millisecond and more";
}

TEST(FollowedThreshold, GoesDownSlowly) {
  SimulatedGroup group;
  group.RunSteadily(kNanosPerSecond, 100'000);
  ASSERT_GE(group.threshold(), 100U);
  group.Pause(100 * kMillisecond);
  group.RunSteadily(10 * kMillisecond, 100'000);
  EXPECT_GE(group.threshold(), 60U) << "a pause does not undo the batches";
  group.RunSteadily(200 * kMillisecond, 20);
  EXPECT_GE(group.threshold(), 25U);
  group.RunSteadily(1'500 * kMillisecond, 20);
  EXPECT_EQ(group.threshold(), 1U);
}

TEST(FollowedThreshold, APacketAtALowRateDoesNotWait) {
  for (const Nanoseconds rate : {1, 20, 200, 1'000}) {
    SimulatedGroup group;
    group.RunSteadily(10 * kNanosPerSecond, rate);
    EXPECT_EQ(group.TakeLongestWait(), 0) << rate << " packets/s";
    std::mt19937 random(7);
    std::uniform_real_distribution<double> draw(1e-9, 1);
    const double mean = static_cast<double>(kNanosPerSecond) / static_cast<double>(rate);
    group.Run(10 * kNanosPerSecond,
              [&] { return static_cast<Nanoseconds>(-mean * std::log(draw(random))); });
    EXPECT_EQ(group.TakeLongestWait(), 0) << rate << " packets/s, at random times";
  }
}

TEST(FollowedThreshold, SomePacketsAtOnceMakeNoneWait) {
  SimulatedGroup group;
  for (int i = 0; i < 100; ++i) {
    group.Burst(30);
    group.RunSteadily(100 * kMillisecond, 50);
  }
  EXPECT_EQ(group.TakeLongestWait(), 0);
}

TEST(FollowedThreshold, APacketAtASteadyRateWaitsForAQuarterMoreThanTheLatencyAtMost) {
  for (const Nanoseconds rate : {2'000, 5'000, 20'000, 100'000, 300'000}) {
    SimulatedGroup group;
    group.RunSteadily(5 * kNanosPerSecond, rate);
    EXPECT_LE(group.TakeLongestWait(), SimulatedGroup::kLatency * 5 / 4) << rate << " packets/s";
  }
}

TEST(FollowedThreshold, AfterABurstAPacketWaitsForTheKernelsTimerAtMostAndSoonNotAtAll) {
  for (const Nanoseconds rate : {10'000, 100'000, 1'000'000}) {
    SimulatedGroup group;
    group.RunSteadily(kNanosPerSecond, rate);
    group.TakeLongestWait();
    group.RunSteadily(1'750 * kMillisecond, 100);
    EXPECT_LE(group.TakeLongestWait(), SimulatedGroup::kFlush) << rate << " packets/s";
    group.RunSteadily(10 * kNanosPerSecond, 100);
    EXPECT_EQ(group.TakeLongestWait(), 0) << rate << " packets/s";
  }
}

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
