// SPDX-License-Identifier: MIT
// Twin of src/app/sender_pump.cc
//
// The pump while there is more traffic than may pass, beside the simulation of it.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/app/pump_fixture.h"
#include "tests/shaper/simulated_pump.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kHigh = kMiB;

// What has become of all packets so far.
struct Fate {
  uint64_t sent = 0;
  uint64_t held = 0;
  uint64_t shed = 0;

  bool operator==(const Fate&) const = default;
};

void PrintTo(const Fate& fate, std::ostream* out) {
  *out << "sent " << fate.sent << ", held " << fate.held << ", shed " << fate.shed;
}

class SenderPumpOverloadTest : public PumpTest {
 protected:
  static PushOptions BufferWithoutEnd() {
    PushOptions options;
    options.buffer_frames = 1'000'000;
    options.buffer_bytes = uint64_t{1} << 40;
    return options;
  }
};

struct Scenario {
  const char* name;
  WatermarkOptions watermarks;
  std::vector<double> loads;  // parts of kHigh, a second each
};

void PrintTo(const Scenario& scenario, std::ostream* out) {
  *out << scenario.name;
}

class SimulatedPumpTest : public SenderPumpOverloadTest,
                          public ::testing::WithParamInterface<Scenario> {};

// The tests of the policy draw on this, as no real pump could copy what they offer.
TEST_P(SimulatedPumpTest, DoesWithEachBatchWhatThePumpDoes) {
  std::vector<Fate> simulated;
  std::vector<Fate> real;
  SimulatedPump simulation(GetParam().watermarks, 1.0);
  simulation.set_tap([&](Nanoseconds passed, const PacketBatch& batch) {
    const uint64_t held = simulation.held_packets();
    const uint64_t shed = simulation.shed_packets();
    simulated.push_back({simulation.offered_packets() - shed - held, held, shed});
    ScriptedSource::Batch copy;
    for (const Packet& packet : batch.packets()) {
      copy.emplace_back(packet.data, packet.data + packet.captured_length);
    }
    script_.Then([this, passed] { clock_.Advance(passed); });
    script_.Packets(std::move(copy));
    script_.Then([&] {
      real.push_back({Accepted(), static_cast<uint64_t>(stats_.held_packets.Value()),
                      Dropped(DropReason::kShed)});
      ExpectTheLawCloses();
    });
  });
  std::vector<SimulatedFlow> flows = EqualFlows(50, 1000);
  // A pump that never waits for packets gives up packing, so that each frame's size is known.
  simulation.Run(&flows, 0, kNanosPerSecond);
  script_.Then(
      [this] { EXPECT_EQ(stats_.effort.Value(), static_cast<int64_t>(SquashEffort::kPlain)); });
  for (const double load : GetParam().loads) {
    simulation.Run(&flows, load * kHigh, kNanosPerSecond);
  }
  PumpOptions options;
  options.watermarks = GetParam().watermarks;
  const auto pump = MakePump(options, BufferWithoutEnd());
  pump->Run(0);
  ASSERT_EQ(real.size(), simulated.size());
  for (size_t i = 0; i < real.size(); ++i) {
    ASSERT_EQ(real[i], simulated[i]) << "after batch " << i;
  }
  EXPECT_EQ(real.back().shed > 0, GetParam().watermarks.high > 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, SimulatedPumpTest,
    ::testing::Values(
        Scenario{"passing", {0, kHigh, kNanosPerSecond}, {0.5, 4, 0.5, 4}},
        Scenario{"squashing", {kHigh / 8, kHigh, kNanosPerSecond}, {4, 0.05, 0.05, 10, 0.05, 0.5}},
        Scenario{"squashing_alone", {kHigh / 8, 0, kNanosPerSecond}, {0.05, 4, 0.05, 0.05, 1}},
        // The budget holds less than a frame.
        Scenario{"narrow", {kHigh / 32, kHigh / 4, kNanosPerSecond}, {2, 0.01, 0.01, 2}}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(SenderPumpOverloadTest, EverySecondCarriesTheHighWatermarkHoweverWellItPacks) {
  ScriptedSource::Batch batch;
  for (uint32_t flow = 0; flow < 20; ++flow) {
    batch.push_back(TextPacket(flow, 1000));
  }
  const auto shared = std::make_shared<const ScriptedSource::Batch>(batch);
  uint64_t before = 0;
  for (int second = 0; second < 4; ++second) {
    for (int i = 0; i < 1000; ++i) {
      script_.Packets(shared);
      script_.Pause(kNanosPerMilli);
    }
    script_.Then([&, second] {
      const uint64_t carried = AcceptedBytes() - before;
      before += carried;
      EXPECT_TRUE(second == 0 || std::abs(static_cast<double>(carried) / (kHigh / 4.0) - 1) < 0.1)
          << carried;
      EXPECT_GT(Dropped(DropReason::kShed), 0U);
      ExpectTheLawCloses();
    });
  }
  PumpOptions options;
  options.watermarks = {kHigh / 32, kHigh / 4, kNanosPerSecond};
  const auto pump = MakePump(options, BufferWithoutEnd());
  pump->Run(0);
  EXPECT_GT(stats_.squash_input_bytes.Value(), 4 * stats_.squash_output_bytes.Value());
}

TEST_F(SenderPumpOverloadTest, WhatZeroMqRefusesSpendsNothingOfTheBudget) {
  const auto batch = std::make_shared<const ScriptedSource::Batch>(TextBatch(4, 1000));
  for (int i = 0; i < 2000; ++i) {
    script_.Packets(batch);
    script_.Pause(kNanosPerMilli);
  }
  script_.Then([this] {
    EXPECT_EQ(Dropped(DropReason::kShed), 0U);
    EXPECT_GT(Dropped(DropReason::kZmqHwm), 7900U);
    ExpectTheLawCloses();
  });
  PumpOptions options;
  options.watermarks = {0, kHigh, kNanosPerSecond};
  options.squash_linger = 0;  // else packets that are held would reserve it
  PushOptions full;
  full.buffer_frames = 4;
  const auto pump = MakePump(options, full);
  pump->Run(0);
}

}  // namespace
}  // namespace pcap_zmq::testing
