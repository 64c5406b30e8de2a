// SPDX-License-Identifier: MIT
#include "base/flow_router.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ip_header.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::Ipv4Packet;
using testing::Ipv6Packet;
using testing::kTcp;

constexpr uint32_t kFlows = 20'000;

uint64_t HashOf(const Bytes& packet) {
  return SymmetricFlowHash(packet.data(), packet.size());
}

// Flows as a gateway sees them: few servers, many clients, ports in sequence.
std::vector<uint64_t> FlowHashes() {
  std::vector<uint64_t> hashes;
  for (uint32_t i = 0; i < kFlows; ++i) {
    const auto port = static_cast<uint16_t>(32'768 + i % 1000);
    hashes.push_back(HashOf(Ipv4Packet("", 0x0a000000 + i / 50, 0xc0000201, {port, 443}, kTcp)));
  }
  return hashes;
}

std::vector<std::string> Names(size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) {
    names.push_back("tcp://ids" + std::to_string(i + 1) + ".example:1234");
  }
  return names;
}

TEST(FlowRouter, OnePlaceGetsEverything) {
  const FlowRouter router(Names(1));
  for (const uint64_t hash : FlowHashes()) {
    ASSERT_EQ(router.Route(hash), 0U);
  }
}

TEST(FlowRouter, BothDirectionsOfAFlowGoToTheSamePlace) {
  const FlowRouter router(Names(5));
  for (uint32_t i = 0; i < 1000; ++i) {
    const auto port = static_cast<uint16_t>(1024 + i);
    EXPECT_EQ(router.Route(HashOf(Ipv4Packet("a", i, 0xc0000201, {port, 80}, kTcp))),
              router.Route(HashOf(Ipv4Packet("b", 0xc0000201, i, {80, port}, kTcp))));
    EXPECT_EQ(router.Route(HashOf(Ipv6Packet("a", i, 7, {port, 80}))),
              router.Route(HashOf(Ipv6Packet("b", 7, i, {80, port}))));
  }
}

// Senders of several versions share receivers, and both directions of a flow must meet at one.
TEST(FlowRouter, EveryVersionChoosesTheSamePlaces) {
  const FlowRouter router(Names(5));
  std::string places;
  for (uint16_t i = 0; i < 40; ++i) {
    const auto port = static_cast<uint16_t>(40'000 + i);
    const Bytes packet = Ipv4Packet("", 0x0a000001, 0xc0000201, {port, 443}, kTcp);
    places += std::to_string(router.Route(HashOf(packet)));
  }
  EXPECT_EQ(places, "3142222420411132142043243434143441103232");
}

TEST(FlowRouter, FlowsAreSpreadEvenly) {
  const std::vector<uint64_t> hashes = FlowHashes();
  for (size_t count = 2; count <= 8; ++count) {
    const FlowRouter router(Names(count));
    std::vector<double> flows(count);
    for (const uint64_t hash : hashes) {
      ASSERT_LT(router.Route(hash), count);
      ++flows[router.Route(hash)];
    }
    const double fair = static_cast<double>(kFlows) / static_cast<double>(count);
    for (const double share : flows) {
      EXPECT_NEAR(share, fair, 0.1 * fair) << count << " endpoints";
    }
  }
}

TEST(FlowRouter, APlaceThatJoinsTakesItsShareAndMovesNothingElse) {
  const std::vector<uint64_t> hashes = FlowHashes();
  for (size_t count = 1; count <= 7; ++count) {
    const FlowRouter before(Names(count));
    const FlowRouter after(Names(count + 1));
    size_t moved = 0;
    for (const uint64_t hash : hashes) {
      if (before.Route(hash) != after.Route(hash)) {
        ++moved;
        EXPECT_EQ(after.Route(hash), count) << "only to the new one";
      }
    }
    const double share = static_cast<double>(moved) / kFlows;
    EXPECT_LE(share, 1.0 / static_cast<double>(count + 1) + 0.02);
    EXPECT_GT(share, 0);
  }
}

TEST(FlowRouter, TheOrderInWhichPlacesAreListedDoesNotMatter) {
  std::vector<std::string> names = Names(6);
  const FlowRouter router(names);
  std::vector<std::string> turned = names;
  std::rotate(turned.begin(), turned.begin() + 2, turned.end());
  std::swap(turned[0], turned[5]);
  const FlowRouter other(turned);
  for (const uint64_t hash : FlowHashes()) {
    ASSERT_EQ(names[router.Route(hash)], turned[other.Route(hash)]);
  }
}

// What a sender sends to one of its endpoints, a receiver spreads over its outputs.
TEST(FlowRouter, WhatCameToOnePlaceIsSpreadEvenlyOverTheNext) {
  const FlowRouter endpoints(Names(4));
  const FlowRouter outputs({"/run/ids-0.pcap", "/run/ids-1.pcap", "/run/ids-2.pcap"});
  std::vector<double> flows(3);
  double here = 0;
  for (const uint64_t hash : FlowHashes()) {
    if (endpoints.Route(hash) == 0) {
      ++flows[outputs.Route(hash)];
      ++here;
    }
  }
  for (const double share : flows) {
    EXPECT_NEAR(share, here / 3, 0.1 * here / 3);
  }
}

TEST(FlowRouter, WithoutAnyPlaceThereIsOnlyTheFirst) {
  EXPECT_EQ(FlowRouter().Route(12345), 0U);
}

}  // namespace
}  // namespace pcap_zmq
