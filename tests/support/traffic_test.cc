// SPDX-License-Identifier: MIT
#include "tests/support/traffic.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <set>

#include "tests/support/net_namespace.h"
#include "tests/support/netfilter.h"
#include "tests/support/process.h"
#include "tests/support/tcp_flows.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {
namespace {

// A raw socket receives whole IPv4 packets, as a capture would.
class TrafficTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const Status status = EnterPrivateNetwork(); !status.ok()) {
      GTEST_SKIP() << status.error().message;
    }
    if (!HaveProgram("nft")) {
      GTEST_SKIP() << "nft is not installed";
    }
  }

  static std::vector<uint8_t> Receive(const UniqueFd& socket) {
    std::vector<uint8_t> packet(65536);
    const ssize_t got = ::recv(socket.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    packet.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return packet;
  }
};

TEST_F(TrafficTest, EveryPacketIsRecognisedAndNoChangedOneIs) {
  TrafficOptions options;
  options.ipv6_flows = 0;
  options.packet_bytes = 200;
  for (const bool compressible : {false, true}) {
    options.compressible = compressible;
    auto generator = TrafficGenerator::Open(options);
    ASSERT_TRUE(generator.ok()) << generator.error().message;
    const UniqueFd raw(::socket(AF_INET, SOCK_RAW, IPPROTO_UDP));
    ASSERT_TRUE(raw.valid());
    generator.value()->Send(100, 10'000);
    EXPECT_EQ(generator.value()->sent(), 100u);

    MarkChecker checker(options);
    std::vector<uint8_t> packet;
    while (checker.recognised() + checker.foreign() < 100) {
      ASSERT_TRUE(WaitUntil([&] { return !(packet = Receive(raw)).empty(); }));
      checker.Add(packet);
      for (size_t i = 0; i < packet.size(); ++i) {
        const bool covered = i != 1 && (i < 4 || i > 11) && i != 26 && i != 27;
        packet[i] ^= 0x40;
        if (covered) {
          EXPECT_FALSE(RecogniseMark(options, packet).has_value()) << "byte " << i;
        }
        packet[i] ^= 0x40;
      }
    }
    EXPECT_EQ(checker.recognised(), 100u);
    EXPECT_EQ(checker.foreign(), 0u);
    EXPECT_EQ(checker.duplicates(), 0u);
    EXPECT_EQ(checker.out_of_order(), 0u);
    EXPECT_EQ(checker.Missing(generator.value()->sent_by_flow()), 0u);
  }
}

TEST_F(TrafficTest, TheCheckerCountsWhatIsMissingDoubledOrOutOfOrder) {
  TrafficOptions options;
  options.ipv4_flows = 1;
  options.ipv6_flows = 0;
  auto generator = TrafficGenerator::Open(options);
  ASSERT_TRUE(generator.ok()) << generator.error().message;
  const UniqueFd raw(::socket(AF_INET, SOCK_RAW, IPPROTO_UDP));
  generator.value()->Send(5);
  std::vector<std::vector<uint8_t>> packets;
  ASSERT_TRUE(WaitUntil([&] {
    packets.push_back(Receive(raw));
    if (packets.back().empty()) {
      packets.pop_back();
    }
    return packets.size() == 5;
  }));
  MarkChecker checker(options);
  for (const size_t i : {size_t{0}, size_t{3}, size_t{2}, size_t{2}}) {
    checker.Add(packets[i]);
  }
  EXPECT_EQ(checker.Missing(generator.value()->sent_by_flow()), 2u);
  EXPECT_EQ(checker.duplicates(), 1u);
  EXPECT_EQ(checker.out_of_order(), 1u);
  EXPECT_EQ(checker.distinct(), 3u);
  EXPECT_FALSE(checker.Has(0, 1));
  EXPECT_TRUE(checker.Has(0, 3));
}

TEST_F(TrafficTest, TheRulesCountEveryPacketOfBothFamilies) {
  const Status rules = LogTestTraffic();
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  auto generator = TrafficGenerator::Open({});
  ASSERT_TRUE(generator.ok()) << generator.error().message;
  generator.value()->StartSending(20'000);
  ASSERT_TRUE(WaitUntil([&] { return generator.value()->sent() >= 2000; }));
  generator.value()->Stop();
  uint64_t logged = 0;
  EXPECT_TRUE(WaitUntil([&] {
    const auto count = LoggedPackets();
    logged = count.ok() ? count.value() : 0;
    return logged == generator.value()->sent();
  })) << logged
      << " of " << generator.value()->sent();
}

TEST_F(TrafficTest, HandMadeTcpFlowsArriveInBothDirections) {
  const Status rules = LogTcpFlows(3);
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  // An IP socket of the protocol gets a copy only of what netfilter accepts, so listen below it.
  const UniqueFd link(::socket(AF_PACKET, SOCK_DGRAM, 0x0300));  // ETH_P_ALL, network order
  ASSERT_TRUE(link.valid());
  const Status sent = SendTcpFlows(10, 2);
  ASSERT_TRUE(sent.ok()) << sent.error().message;
  std::multiset<std::pair<uint32_t, bool>> seen;
  ASSERT_TRUE(WaitUntil([&] {
    for (auto packet = Receive(link); !packet.empty(); packet = Receive(link)) {
      const TcpFlowMark mark = RecogniseTcpFlow(packet);
      if (mark.flow != UINT32_MAX) {
        seen.insert({mark.flow, mark.reply});
      }
    }
    return seen.size() >= 80;  // lo shows each packet as sent and as received
  })) << seen.size();
  for (uint32_t flow = 0; flow < 10; ++flow) {
    EXPECT_EQ(seen.count({flow, false}), 4u) << flow;
    EXPECT_EQ(seen.count({flow, true}), 4u) << flow;
  }
  EXPECT_TRUE(WaitUntil([] {
    const auto count = LoggedPackets();
    return count.ok() && count.value() == 40;
  }));
}

TEST_F(TrafficTest, APeerNamespaceIsAnotherHost) {
  auto peer = PeerNamespace::Create();
  ASSERT_TRUE(peer.ok()) << peer.error().message;
  if (!HaveProgram("ip")) {
    GTEST_SKIP() << "ip is not installed";
  }
  const Status joined = peer.value()->JoinByVeth("here", "there");
  ASSERT_TRUE(joined.ok()) << joined.error().message;
  EXPECT_TRUE(RunOrFail({"ip", "link", "show", "here"}).ok());
  EXPECT_FALSE(RunOrFail({"ip", "link", "show", "there"}).ok());
  peer.value()->Run([] { EXPECT_TRUE(RunOrFail({"ip", "link", "show", "there"}).ok()); });
}

}  // namespace
}  // namespace pcap_zmq::testing
