// SPDX-License-Identifier: MIT
// Twin of src/shaper/watermark_policy.cc
//
// Somebody who knows the code but not the seed, chooses his flows, and wants one of them shed (to
// hide it) or passed (to crowd out others).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "base/byte_io.h"
#include "base/ip_header.h"
#include "shaper/watermark_policy.h"
#include "tests/shaper/simulated_pump.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kHigh = 2 * kMiB;
constexpr double kLoad = 2.0 * kHigh;
constexpr uint64_t kSeeds = 60;
constexpr uint32_t kVictim = 0xc0000201;
constexpr uint64_t kServer = 0x53;
constexpr Ports kPorts = {40'000, 443};

const std::string kBody(500, 'x');

SimulatedFlow FlowFromPort(uint16_t port) {
  return {Ipv4Packet(kBody, 0x0a000001, kVictim, {port, 443}),
          Ipv4Packet(kBody, kVictim, 0x0a000001, {443, port})};
}

SimulatedFlow FlowFromHost(uint64_t host, uint16_t port) {
  return {Ipv6Packet(kBody, host, kServer, {port, kPorts.destination}),
          Ipv6Packet(kBody, kServer, host, {kPorts.destination, port})};
}

uint64_t KnownHash(const Bytes& packet) {
  return SymmetricFlowHash(packet.data(), packet.size());
}

struct Fate {
  double target = 0;  ///< what is carried of the first flow
  double others = 0;  ///< of those that the attacker did not choose
};

/// What becomes of `flows` in the mean over pumps with different seeds, once each has chosen.  The
/// others begin at `others_from`.
Fate MeanFate(const std::vector<SimulatedFlow>& flows, size_t others_from) {
  Fate mean;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    std::vector<SimulatedFlow> run = flows;
    SimulatedPump pump({kHigh / 8, kHigh, kNanosPerSecond, seed}, 1.0);
    pump.Run(&run, kLoad, kNanosPerSecond);
    for (SimulatedFlow& flow : run) {
      std::fill_n(flow.offered, 2, 0);
      std::fill_n(flow.carried, 2, 0);
    }
    pump.Run(&run, kLoad, 2 * kNanosPerSecond);
    mean.target += run[0].CarriedShare() / kSeeds;
    for (size_t i = others_from; i < run.size(); ++i) {
      mean.others += run[i].CarriedShare() / static_cast<double>(kSeeds) /
                     static_cast<double>(run.size() - others_from);
    }
  }
  return mean;
}

// Each flow is carried whole or hardly at all, so the mean of 60 has a standard deviation of 0.065.
void ExpectNoAdvantage(const std::vector<SimulatedFlow>& flows, size_t others_from) {
  const Fate fate = MeanFate(flows, others_from);
  EXPECT_NEAR(fate.others, 0.5, 0.1) << "half of the load fits";
  EXPECT_NEAR(fate.target, fate.others, 0.2);
}

// 400 flows that are in the first 400 slots by `slot_of`, the attacker's idea of their slots.
template <typename SlotOf>
std::vector<SimulatedFlow> CrowdOfFirstSlots(SlotOf slot_of) {
  std::vector<SimulatedFlow> crowd;
  for (uint16_t port = 1024; port < 60'000 && crowd.size() < 400; ++port) {
    SimulatedFlow flow = FlowFromPort(port);
    if (slot_of(flow.forward) < 400) {
      crowd.push_back(std::move(flow));
    }
  }
  EXPECT_EQ(crowd.size(), 400U);
  return crowd;
}

template <typename SlotOf>
SimulatedFlow FlowOfSlot(uint64_t slot, SlotOf slot_of) {
  for (uint16_t port = 65'535; port > 1024; --port) {
    SimulatedFlow flow = FlowFromPort(port);
    if (slot_of(flow.forward) == slot) {
      return flow;
    }
  }
  ADD_FAILURE() << "no port leads to slot " << slot;
  return FlowFromPort(1);
}

template <typename SlotOf>
void ExpectPortsToBeOfNoUse(SlotOf slot_of) {
  for (const uint64_t slot : {uint64_t{1023}, uint64_t{0}}) {
    SCOPED_TRACE("slot " + std::to_string(slot));
    std::vector<SimulatedFlow> flows = {FlowOfSlot(slot, slot_of)};
    for (SimulatedFlow& flow : CrowdOfFirstSlots(slot_of)) {
      flows.push_back(std::move(flow));
    }
    ExpectNoAdvantage(flows, 1);
  }
}

TEST(WatermarkAttack, PortsChosenByTheHashThatSpreadsFlowsAreOfNoUse) {
  ExpectPortsToBeOfNoUse([](const Bytes& packet) { return KnownHash(packet) >> (64 - 10); });
}

TEST(WatermarkAttack, PortsChosenByTheSlotsOfAGuessedSeedAreOfNoUse) {
  const SecretFlowHash guessed(std::mt19937_64(0)());
  ExpectPortsToBeOfNoUse([&](const Bytes& packet) -> uint64_t {
    return guessed(packet.data(), packet.size()) >> (32 - 10);
  });
}

// MixHash() backwards.  It is made to spread, not to keep secrets.
uint64_t Inverse(uint64_t odd) {
  uint64_t inverse = odd;
  for (int i = 0; i < 5; ++i) {
    inverse *= 2 - odd * inverse;
  }
  return inverse;
}

uint64_t Unmix(uint64_t x) {
  x ^= x >> 31 ^ x >> 62;
  x *= Inverse(0x94d049bb133111ebULL);
  x ^= x >> 27 ^ x >> 54;
  x *= Inverse(0xbf58476d1ce4e5b9ULL);
  return x ^ x >> 30 ^ x >> 60;
}

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

// The a with MixHash(a, b) == hash.
uint64_t FirstOf(uint64_t hash, uint64_t b) {
  return Unmix(Unmix(hash) ^ (b + kGolden)) - kGolden;
}

// The b with MixHash(a, b) == hash: MixHash(a, b) is Mix(Mix(a + kGolden) ^ (b + kGolden)).
uint64_t SecondOf(uint64_t hash, uint64_t a) {
  return (Unmix(hash) ^ Unmix(MixHash(a, 0)) ^ kGolden) - kGolden;
}

// A host with a /64 of IPv6 picks its addresses so that all its flows share the hash that everybody
// knows.  Were the slot made of that hash, however secretly, they would share the slot, too, and be
// shed with it.
TEST(WatermarkAttack, FlowsThatCollideInTheHashThatEverybodyKnowsDoNotShareASlot) {
  constexpr uint64_t kNetwork = 0x20010db800000000;
  constexpr uint64_t kHost = 0x666;
  const uint64_t end = MixHash(MixHash(kNetwork, kHost), kPorts.source);
  std::vector<SimulatedFlow> flows = {FlowFromHost(kHost, kPorts.source)};
  for (uint16_t port = 1024; port < 1224; ++port) {
    flows.push_back(FlowFromHost(SecondOf(FirstOf(end, port), kNetwork), port));
    ASSERT_EQ(KnownHash(flows.back().forward), KnownHash(flows[0].forward));
  }
  const size_t chosen = flows.size();
  for (uint16_t port = 1024; port < 1224; ++port) {
    flows.push_back(FlowFromPort(port));
  }
  ExpectNoAdvantage(flows, chosen);
}

TEST(WatermarkAttack, WhichFlowsAreShedFollowsFromTheSeed) {
  const auto carried = [](uint64_t seed) {
    auto flows = EqualFlows(300, 500);
    SimulatedPump pump({kHigh / 8, kHigh, kNanosPerSecond, seed}, 1.0);
    pump.Run(&flows, kLoad, 2 * kNanosPerSecond);
    std::vector<bool> whole;
    for (const SimulatedFlow& flow : flows) {
      whole.push_back(flow.CarriedShare() > 0.9);
    }
    return whole;
  };
  EXPECT_EQ(carried(1), carried(1));
  EXPECT_NE(carried(1), carried(2));
}

}  // namespace
}  // namespace pcap_zmq::testing
