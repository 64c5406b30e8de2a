// SPDX-License-Identifier: MIT
#include "shaper/rate_meter.h"

#include <gtest/gtest.h>

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kStart = 1'000'000 * kNanosPerSecond;
constexpr Nanoseconds kSlot = kNanosPerSecond / 20;

TEST(RateMeter, SaysNothingBeforeTraffic) {
  RateMeter meter(kNanosPerSecond);
  EXPECT_EQ(meter.BytesPerSecond(kStart), 0U);
}

TEST(RateMeter, AveragesOverTheWindow) {
  RateMeter meter(kNanosPerSecond);
  meter.Add(kStart, 3000);
  meter.Add(kStart + kNanosPerSecond / 2, 2000);
  EXPECT_EQ(meter.BytesPerSecond(kStart + kNanosPerSecond / 2), 5000U);
}

TEST(RateMeter, SteadyTrafficIsMeasuredToATwentiethAndNeverAboveItsRate) {
  RateMeter meter(kNanosPerSecond);
  Nanoseconds now = kStart;
  for (int i = 0; i < 3000; ++i) {
    now += kNanosPerMilli;
    meter.Add(now, 1000);
    if (i >= 1000) {
      EXPECT_LE(meter.BytesPerSecond(now), 1'000'000U);
      EXPECT_GE(meter.BytesPerSecond(now), 950'000U);
    }
  }
}

TEST(RateMeter, ForgetsWhatIsAWindowOld) {
  RateMeter meter(kNanosPerSecond);
  meter.Add(kStart, 1000);
  EXPECT_EQ(meter.BytesPerSecond(kStart + kNanosPerSecond - kSlot), 1000U);
  EXPECT_EQ(meter.BytesPerSecond(kStart + kNanosPerSecond), 0U);
}

TEST(RateMeter, ForgetsSlotBySlot) {
  RateMeter meter(kNanosPerSecond);
  for (int slot = 0; slot < 20; ++slot) {
    meter.Add(kStart + slot * kSlot, 100);
  }
  for (int slot = 20; slot <= 40; ++slot) {
    EXPECT_EQ(meter.BytesPerSecond(kStart + slot * kSlot),
              100U * static_cast<uint64_t>(39 - slot) * (slot < 40 ? 1U : 0U));
  }
}

TEST(RateMeter, IsReadyForTrafficAfterALongPause) {
  RateMeter meter(kNanosPerSecond);
  meter.Add(kStart, 1'000'000);
  const Nanoseconds later = kStart + 1'000 * kNanosPerSecond;
  meter.Add(later, 500);
  EXPECT_EQ(meter.BytesPerSecond(later), 500U);
}

TEST(RateMeter, AnyWindowGivesBytesASecond) {
  RateMeter brief(100 * kNanosPerMilli);
  brief.Add(kStart, 1000);
  EXPECT_EQ(brief.BytesPerSecond(kStart), 10'000U);
  RateMeter slow(10 * kNanosPerSecond);
  slow.Add(kStart, 1000);
  EXPECT_EQ(slow.BytesPerSecond(kStart), 100U);
}

TEST(RateMeter, TerabitsDoNotOverflow) {
  RateMeter meter(kNanosPerSecond);
  constexpr uint64_t kTerabyte = 1'000'000'000'000;
  meter.Add(kStart, kTerabyte);
  EXPECT_EQ(meter.BytesPerSecond(kStart), kTerabyte);
}

}  // namespace
}  // namespace pcap_zmq
