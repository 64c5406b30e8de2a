// SPDX-License-Identifier: MIT
#include "shaper/watermark_policy.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/packet.h"
#include "tests/shaper/simulated_pump.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kLow = 10 * kMiB;
constexpr Nanoseconds kWindow = kNanosPerSecond;
constexpr Nanoseconds kTwoSeconds = 2 * kNanosPerSecond;

class WatermarkPolicyTest : public ::testing::Test {
 protected:
  void Run(SimulatedPump* pump, double bytes_per_second, Nanoseconds duration = kTwoSeconds) {
    pump->Run(&flows_, bytes_per_second, duration);
  }

  std::vector<SimulatedFlow> flows_ = EqualFlows(100, 1000);
};

TEST_F(WatermarkPolicyTest, PassesBelowTheLowWatermark) {
  SimulatedPump pump({kLow, 0, kWindow}, 0.5);
  EXPECT_EQ(pump.policy().state(), ShaperState::kPass);
  Run(&pump, 0.95 * kLow);
  EXPECT_EQ(pump.policy().state(), ShaperState::kPass);
  EXPECT_FALSE(pump.policy().squash());
}

TEST_F(WatermarkPolicyTest, SquashesAboveTheLowWatermark) {
  SimulatedPump pump({kLow, 100 * kLow, kWindow}, 0.5);
  Run(&pump, 1.1 * kLow);
  EXPECT_EQ(pump.policy().state(), ShaperState::kSquash);
  EXPECT_TRUE(pump.policy().squash());
  EXPECT_EQ(pump.shed_packets(), 0U);
}

TEST_F(WatermarkPolicyTest, GoesBackToPassingOnlyWellBelowTheLowWatermark) {
  SimulatedPump pump({kLow, 0, kWindow}, 0.5);
  Run(&pump, 1.1 * kLow);
  Run(&pump, 0.96 * kLow);
  EXPECT_EQ(pump.policy().state(), ShaperState::kSquash) << "traffic near it does not flap";
  Run(&pump, 0.85 * kLow);
  EXPECT_EQ(pump.policy().state(), ShaperState::kPass);
  Run(&pump, 0.96 * kLow);
  EXPECT_EQ(pump.policy().state(), ShaperState::kPass);
}

TEST_F(WatermarkPolicyTest, TrafficAroundTheLowWatermarkChangesTheStateOnce) {
  SimulatedPump pump({kLow, 0, kWindow}, 0.5);
  int changes = 0;
  bool squash = false;
  for (int i = 0; i < 200; ++i) {
    Run(&pump, (i % 2 == 0 ? 1.1 : 0.95) * kLow, 100 * kNanosPerMilli);
    changes += pump.policy().squash() != squash ? 1 : 0;
    squash = pump.policy().squash();
  }
  EXPECT_EQ(changes, 1);
}

TEST_F(WatermarkPolicyTest, ABurstIsSquashedBeforeTheAverageSaysSo) {
  SimulatedPump pump({5 * kLow, 10 * kLow, kWindow}, 0.5);
  Run(&pump, 0.1 * kLow);
  // Over the window this is a third of the low watermark; over 30 ms it is five times the high one.
  Run(&pump, 50.0 * kLow, 30 * kNanosPerMilli);
  EXPECT_TRUE(pump.policy().squash());
  Run(&pump, 0.1 * kLow, 60 * kNanosPerMilli);
  EXPECT_FALSE(pump.policy().squash());
}

TEST_F(WatermarkPolicyTest, ShedsAboveTheHighWatermarkAndSaysSoForAWindowMore) {
  SimulatedPump pump({kLow, 2 * kLow, kWindow}, 1.0);
  Run(&pump, 4.0 * kLow);
  EXPECT_EQ(pump.policy().state(), ShaperState::kShed);
  EXPECT_TRUE(pump.policy().squash());
  Run(&pump, 0.1 * kLow, kWindow * 9 / 10);
  EXPECT_EQ(pump.policy().state(), ShaperState::kShed);
  Run(&pump, 0.1 * kLow, kWindow * 3 / 10);
  EXPECT_EQ(pump.policy().state(), ShaperState::kPass);
}

TEST_F(WatermarkPolicyTest, WhatCountsForTheHighWatermarkIsWhatGoesOnTheWire) {
  SimulatedPump pump({kLow, 2 * kLow, kWindow}, 0.25);
  Run(&pump, 1.0 * kLow);
  Run(&pump, 6.0 * kLow, 10 * kNanosPerSecond);
  EXPECT_EQ(pump.policy().state(), ShaperState::kSquash);
  EXPECT_EQ(pump.shed_packets(), 0U);
}

TEST_F(WatermarkPolicyTest, WithoutAHighWatermarkNothingIsShed) {
  SimulatedPump pump({kLow, 0, kWindow}, 1.0);
  Run(&pump, 100.0 * kLow);
  EXPECT_EQ(pump.policy().state(), ShaperState::kSquash);
  EXPECT_EQ(pump.shed_packets(), 0U);
}

TEST_F(WatermarkPolicyTest, WithoutALowWatermarkNothingIsSquashed) {
  SimulatedPump pump({0, 2 * kLow, kWindow}, 0.1);
  Run(&pump, 1.9 * kLow);
  EXPECT_EQ(pump.policy().state(), ShaperState::kPass);
  EXPECT_EQ(pump.shed_packets(), 0U);
  Run(&pump, 4.0 * kLow);
  EXPECT_EQ(pump.policy().state(), ShaperState::kShed);
  EXPECT_FALSE(pump.policy().squash());
}

TEST_F(WatermarkPolicyTest, WithoutWatermarksEverythingPasses) {
  SimulatedPump pump({0, 0, kWindow}, 1.0);
  Run(&pump, 100.0 * kLow, kNanosPerSecond / 5);
  EXPECT_EQ(pump.policy().state(), ShaperState::kPass);
  EXPECT_EQ(pump.shed_packets(), 0U);
}

TEST(WatermarkPolicy, TellsTheRateOfTheTraffic) {
  WatermarkPolicy policy({kLow, 10 * kLow, kWindow});
  Nanoseconds now = kNanosPerSecond;
  for (int i = 0; i < 2000; ++i) {
    now += kNanosPerMilli;
    policy.Observe(now, 3000);
  }
  EXPECT_NEAR(static_cast<double>(policy.BytesPerSecond(now)), 3'000'000, 150'000);
}

TEST(WatermarkPolicy, WhatHasPassedIsReservedWithItsRecordsBeforeItIsSettled) {
  WatermarkPolicy policy({0, kMiB, kWindow});
  const std::vector<uint8_t> bytes(100);
  PacketBatch batch(0);
  for (int i = 0; i < 200; ++i) {
    batch.Add({0, bytes.data(), 100, 100});
  }
  uint64_t passed = 0;
  uint64_t shed = 0;
  // The first batch passes as a whole, the second one packet by packet.
  for (int i = 0; i < 3; ++i) {
    shed += policy.Sift(kNanosPerSecond, batch, true, [&](const Packet&) { ++passed; });
  }
  EXPECT_EQ(passed, 452U) << "of 116 bytes each, in a twentieth of a second's budget";
  EXPECT_EQ(shed, 600 - passed);
  EXPECT_EQ(policy.Sift(kNanosPerSecond, batch, false, [&](const Packet&) { ++passed; }), 0U);
  EXPECT_EQ(passed, 652U) << "where nothing may be shed";
}

TEST(WatermarkPolicy, ABatchIsTakenNoteOfBeforeItsPacketsPass) {
  WatermarkPolicy policy({1, 0, kWindow});
  const std::vector<uint8_t> bytes(100);
  PacketBatch batch(0);
  batch.Add({0, bytes.data(), 100, 100});
  bool squash = false;
  policy.Sift(kNanosPerSecond, batch, true, [&](const Packet&) { squash = policy.squash(); });
  EXPECT_TRUE(squash);
}

TEST(WatermarkPolicy, APacketLargerThanTheBudgetHoldsStillPassesWhenNothingElseDoes) {
  WatermarkPolicy policy({0, kMiB, kWindow});
  const std::vector<uint8_t> bytes(200'000);
  const Packet packet{0, bytes.data(), 200'000, 200'000};
  policy.Observe(kNanosPerSecond, 200'000);
  ASSERT_TRUE(policy.Admit(packet, 200'016));
  policy.Settle(200'016, 200'064);
  policy.Observe(kNanosPerSecond + 10 * kNanosPerMilli, 200'000);
  EXPECT_FALSE(policy.Admit(packet, 200'016)) << "the first one is still being paid for";
  policy.Observe(kNanosPerSecond + 200 * kNanosPerMilli, 200'000);
  EXPECT_TRUE(policy.Admit(packet, 200'016));
}

}  // namespace
}  // namespace pcap_zmq::testing
