// SPDX-License-Identifier: MIT
// Twin of src/shaper/watermark_policy.cc
//
// What goes over the wire, and of which flows, when there is more than it may carry.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <vector>

#include "shaper/watermark_policy.h"
#include "tests/shaper/simulated_pump.h"

namespace pcap_zmq::testing {
namespace {

constexpr Nanoseconds kRunTime = 20 * kNanosPerSecond;
constexpr Nanoseconds kSettled = 2 * kNanosPerSecond;

WatermarkOptions Watermarks(uint64_t high) {
  return {high / 8, high, kNanosPerSecond};
}

// A size that keeps the simulation at about 20,000 packets a second, within what packets may be.
size_t PacketBytes(double bytes_per_second) {
  return std::clamp<size_t>(static_cast<size_t>(bytes_per_second / 20'000), 200, 250'000);
}

::testing::AssertionResult WireKeepsTo(const SimulatedPump& pump, uint64_t high,
                                       Nanoseconds from = kSettled) {
  const auto [least, most] = pump.SecondsFrom(from);
  const double low_share = static_cast<double>(least) / static_cast<double>(high);
  const double high_share = static_cast<double>(most) / static_cast<double>(high);
  if (low_share >= 0.9 && high_share <= 1.1) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << "seconds carry " << low_share << " to " << high_share << " of the high watermark";
}

struct Overload {
  uint64_t high;
  double factor;  // of what the wire could carry
  double packing_ratio;
};

void PrintTo(const Overload& overload, std::ostream* out) {
  *out << overload.high << " B/s, " << overload.factor << " times, packing to "
       << overload.packing_ratio;
}

class OverloadedWire : public ::testing::TestWithParam<Overload> {};

TEST_P(OverloadedWire, EverySecondCarriesTheHighWatermark) {
  const auto [high, factor, packing_ratio] = GetParam();
  const double raw_load = static_cast<double>(high) * factor / packing_ratio;
  const auto packet_bytes = static_cast<double>(PacketBytes(raw_load));
  auto flows = EqualFlows(300, PacketBytes(raw_load));
  SimulatedPump pump(Watermarks(high), packing_ratio);
  pump.Run(&flows, raw_load * packet_bytes / (packet_bytes + kRecordHeaderBytes), kRunTime);
  EXPECT_TRUE(WireKeepsTo(pump, high));
  EXPECT_EQ(pump.policy().state(), ShaperState::kShed);
  // What was not carried is the excess alone.
  const double shed =
      static_cast<double>(pump.shed_packets()) / static_cast<double>(pump.offered_packets());
  EXPECT_NEAR(1 - shed, 1 / factor, 0.1 / factor);
}

std::vector<Overload> Overloads() {
  std::vector<Overload> all;
  for (const uint64_t high : {kMiB / 4, kMiB, 10 * kMiB, 100 * kMiB, 1024 * kMiB}) {
    for (const double factor : {1.2, 4.0, 50.0}) {
      for (const double packing_ratio : {0.1, 0.5, 1.0}) {
        // More than 60 GiB/s would only take time.
        if (static_cast<double>(high) * factor / packing_ratio <= 60'000.0 * kMiB) {
          all.push_back({high, factor, packing_ratio});
        }
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(WatermarkPolicy, OverloadedWire, ::testing::ValuesIn(Overloads()));

TEST(WatermarkOverload, AnElephantAloneFillsTheWire) {
  constexpr uint64_t kHigh = 10 * kMiB;
  // Ten flows one by one, so that whatever decides about flows decides both ways.
  for (uint32_t number = 0; number < 10; ++number) {
    auto flows = EqualFlows(1, 1500, 0x0a000000 + number);
    SimulatedPump pump(Watermarks(kHigh), 0.6);
    pump.Run(&flows, 5.0 * kHigh, kRunTime / 2);
    EXPECT_TRUE(WireKeepsTo(pump, kHigh)) << "flow " << number;
  }
}

TEST(WatermarkOverload, MostFlowsAreCarriedWholeOrNearlyNotAtAll) {
  constexpr uint64_t kHigh = 100 * kMiB;
  for (const double factor : {1.5, 4.0, 20.0}) {
    auto flows = EqualFlows(1000, 20'000);
    SimulatedPump pump(Watermarks(kHigh), 1.0);
    pump.Run(&flows, factor * kHigh, kRunTime);
    EXPECT_TRUE(WireKeepsTo(pump, kHigh));
    size_t whole = 0;
    size_t rare = 0;
    double carried_by_whole = 0;
    double carried = 0;
    for (const SimulatedFlow& flow : flows) {
      const double share = flow.CarriedShare();
      whole += share > 0.95 ? 1U : 0U;
      // At random each flow would get 1 / factor.
      rare += share < 0.5 / factor ? 1U : 0U;
      carried += share;
      carried_by_whole += share > 0.95 ? share : 0;
    }
    EXPECT_GE(whole + rare, 980U) << factor;
    EXPECT_GE(carried_by_whole / carried, 0.8) << "most of the wire is for whole flows, " << factor;
  }
}

TEST(WatermarkOverload, BothDirectionsOfAFlowFareAlike) {
  constexpr uint64_t kHigh = 100 * kMiB;
  auto flows = EqualFlows(200, 20'000);
  SimulatedPump pump(Watermarks(kHigh), 1.0);
  pump.Run(&flows, 4.0 * kHigh, kRunTime);
  for (const SimulatedFlow& flow : flows) {
    EXPECT_NEAR(flow.CarriedShare(0), flow.CarriedShare(1), 0.07);
  }
}

TEST(WatermarkOverload, MiceBesideAnElephantAreCarriedWhole) {
  constexpr uint64_t kHigh = 10 * kMiB;
  constexpr uint32_t kMice = 200;
  for (uint32_t number = 0; number < 5; ++number) {
    // The mice offer a fifth of the watermark, the elephant five times it.
    auto flows = EqualFlows(kMice, 1000, 0x0b000000 + 1000 * number);
    flows.emplace_back(0x0a000000 + number, 1000, kMice * 25.0);
    SimulatedPump pump(Watermarks(kHigh), 1.0);
    pump.Run(&flows, 5.2 * kHigh, kRunTime);
    EXPECT_TRUE(WireKeepsTo(pump, kHigh)) << "the elephant gets what they leave";
    size_t whole = 0;
    for (uint32_t mouse = 0; mouse < kMice; ++mouse) {
      whole += flows[mouse].CarriedShare() > 0.95 ? 1U : 0U;
    }
    // A mouse or two may share the elephant's fate for sharing its hash.
    EXPECT_GE(whole, kMice - 2) << number;
    EXPECT_GT(flows[kMice].CarriedShare(), 0.12);
  }
}

TEST(WatermarkOverload, LoadThatComesAndGoesIsLimitedWhileItIsThereAndWholeOtherwise) {
  constexpr uint64_t kHigh = 10 * kMiB;
  auto flows = EqualFlows(300, 1000);
  SimulatedPump pump(Watermarks(kHigh), 0.5);
  constexpr Nanoseconds kPhase = 2 * kNanosPerSecond;
  for (Nanoseconds at = 0; at < kRunTime; at += 2 * kPhase) {
    pump.Run(&flows, 12.0 * kHigh, kPhase);
    EXPECT_NEAR(static_cast<double>(pump.SecondUntil(at + kPhase)), 1.0 * kHigh, 0.1 * kHigh);
    // A moment for what is still being chosen and held, then nothing is shed.
    pump.Run(&flows, 0.6 * kHigh, kPhase / 4);
    const uint64_t shed = pump.shed_packets();
    pump.Run(&flows, 0.6 * kHigh, kPhase * 3 / 4);
    EXPECT_EQ(pump.shed_packets(), shed);
    EXPECT_NE(pump.policy().state(), ShaperState::kShed);
  }
  const auto [least, most] = pump.SecondsFrom(0);
  EXPECT_LE(static_cast<double>(most), 1.1 * kHigh) << "also where load sets in";
  EXPECT_GT(least, 0U);
}

TEST(WatermarkOverload, BurstsWithinTheBudgetAreNotShed) {
  constexpr uint64_t kHigh = 10 * kMiB;
  auto flows = EqualFlows(300, 1000);
  SimulatedPump pump(Watermarks(kHigh), 1.0);
  for (int burst = 0; burst < 50; ++burst) {
    pump.Run(&flows, 4.0 * kHigh, 10 * kNanosPerMilli);
    pump.Run(&flows, 0.1 * kHigh, 90 * kNanosPerMilli);
  }
  EXPECT_EQ(pump.shed_packets(), 0U);
}

TEST(WatermarkOverload, TrafficThatStopsPackingIsLimitedAllTheSame) {
  constexpr uint64_t kHigh = 10 * kMiB;
  auto flows = EqualFlows(300, 1000);
  SimulatedPump pump(Watermarks(kHigh), 0.15);
  for (const double ratio : {0.15, 1.0, 0.3, 0.9}) {
    pump.set_packing_ratio(ratio);
    pump.Run(&flows, 10.0 * kHigh, 5 * kNanosPerSecond);
  }
  EXPECT_TRUE(WireKeepsTo(pump, kHigh));
}

TEST(WatermarkOverload, RefusedFramesSpendNothing) {
  constexpr uint64_t kHigh = 10 * kMiB;
  auto flows = EqualFlows(300, 1000);
  SimulatedPump pump(Watermarks(kHigh), 0.5);
  pump.Run(&flows, 8.0 * kHigh, 3 * kNanosPerSecond);
  pump.set_refusing(true);
  // A moment for what is still being chosen, then nothing is shed.
  pump.Run(&flows, 0.5 * kHigh, kNanosPerSecond / 2);
  const uint64_t shed = pump.shed_packets();
  pump.Run(&flows, 0.5 * kHigh, 4 * kNanosPerSecond + kNanosPerSecond / 2);
  EXPECT_EQ(pump.shed_packets(), shed);
  pump.set_refusing(false);
  pump.Run(&flows, 8.0 * kHigh, 5 * kNanosPerSecond);
  EXPECT_TRUE(WireKeepsTo(pump, kHigh, 9 * kNanosPerSecond));
  EXPECT_LE(static_cast<double>(pump.SecondsFrom(0).second), 1.1 * kHigh);
}

TEST(WatermarkOverload, WithoutSquashingTheWireIsLimitedToo) {
  constexpr uint64_t kHigh = 10 * kMiB;
  auto flows = EqualFlows(300, 1000);
  SimulatedPump pump({0, kHigh, kNanosPerSecond}, 0.1);
  pump.Run(&flows, 6.0 * kHigh, kRunTime / 2);
  EXPECT_FALSE(pump.policy().squash());
  EXPECT_TRUE(WireKeepsTo(pump, kHigh));
}

}  // namespace
}  // namespace pcap_zmq::testing
