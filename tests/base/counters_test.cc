// SPDX-License-Identifier: MIT
#include "base/counters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>

namespace pcap_zmq {
namespace {

TEST(Counter, AddsOneUnlessToldMore) {
  Counter counter;
  EXPECT_EQ(counter.Value(), 0U);
  counter.Add();
  counter.Add(41);
  EXPECT_EQ(counter.Value(), 42U);
}

TEST(Counter, NeighboursDoNotShareACacheLine) {
  const std::array<Counter, 2> counters;
  EXPECT_GE(reinterpret_cast<uintptr_t>(&counters[1]) - reinterpret_cast<uintptr_t>(&counters[0]),
            kCacheLine);
}

TEST(Counter, AReaderInAnotherThreadSeesItOnlyGrowAndReachTheTotal) {
  constexpr uint64_t kTotal = 200'000;
  Counter counter;
  std::thread writer([&counter] {
    for (uint64_t i = 0; i < kTotal; ++i) {
      counter.Add();
    }
  });
  uint64_t last = 0;
  bool grew_only = true;
  while (last < kTotal) {
    const uint64_t now = counter.Value();
    grew_only = grew_only && now >= last;
    last = now;
  }
  writer.join();
  EXPECT_TRUE(grew_only);
  EXPECT_EQ(counter.Value(), kTotal);
}

TEST(Gauge, HoldsTheLastValueSetAlsoBelowZero) {
  Gauge gauge;
  gauge.Set(7);
  gauge.Set(-3);
  EXPECT_EQ(gauge.Value(), -3);
}

TEST(ReasonCounters, CountEachReasonByItselfAndSumThemAll) {
  ReasonCounters<DropReason> dropped;
  dropped.Add(DropReason::kShed, 10);
  dropped.Add(DropReason::kShutdown);
  EXPECT_EQ(dropped.Value(DropReason::kShed), 10U);
  EXPECT_EQ(dropped.Value(DropReason::kShutdown), 1U);
  EXPECT_EQ(dropped.Value(DropReason::kZmqHwm), 0U);
  EXPECT_EQ(dropped.Total(), 11U);
}

TEST(LatencyHistogram, BoundsGrow) {
  EXPECT_TRUE(std::is_sorted(LatencyHistogram::kBounds.begin(), LatencyHistogram::kBounds.end()));
  EXPECT_EQ(std::adjacent_find(LatencyHistogram::kBounds.begin(), LatencyHistogram::kBounds.end()),
            LatencyHistogram::kBounds.end());
}

TEST(LatencyHistogram, AValueEqualToABoundFallsInItsBucketAndOneMoreInTheNext) {
  for (size_t i = 0; i < LatencyHistogram::kBounds.size(); ++i) {
    LatencyHistogram histogram;
    histogram.Observe(LatencyHistogram::kBounds[i], 1);
    EXPECT_EQ(histogram.BucketValue(i), 1U) << "bound " << i;
    histogram.Observe(LatencyHistogram::kBounds[i] + 1, 1);
    EXPECT_EQ(histogram.BucketValue(i), 1U) << "bound " << i;
    EXPECT_EQ(histogram.BucketValue(i + 1), 1U) << "bound " << i;
  }
}

TEST(LatencyHistogram, WeighsAnObservationByItsPackets) {
  LatencyHistogram histogram;
  histogram.Observe(3 * kNanosPerMilli, 100);
  uint64_t observations = 0;
  for (size_t i = 0; i <= LatencyHistogram::kBounds.size(); ++i) {
    observations += histogram.BucketValue(i);
  }
  EXPECT_EQ(observations, 100U);
  EXPECT_EQ(histogram.SumMicros(), 300U * 1000);
}

TEST(LatencyHistogram, NegativeLatencyCountsAsZero) {
  LatencyHistogram histogram;
  histogram.Observe(-5 * kNanosPerSecond, 2);
  EXPECT_EQ(histogram.BucketValue(0), 2U);
  EXPECT_EQ(histogram.SumMicros(), 0U);
}

TEST(LatencyHistogram, WhatExceedsAllBoundsIsInTheLastBucket) {
  LatencyHistogram histogram;
  histogram.Observe(std::numeric_limits<Nanoseconds>::max(), 1);
  EXPECT_EQ(histogram.BucketValue(LatencyHistogram::kBounds.size()), 1U);
  EXPECT_EQ(histogram.SumMicros(), LatencyHistogram::kLongest / kNanosPerMicro);
}

}  // namespace
}  // namespace pcap_zmq
