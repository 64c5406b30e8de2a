// SPDX-License-Identifier: MIT
#include "sink/block_spreader.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>

#include "sink/pcap_format.h"
#include "tests/sink/sink_testing.h"

namespace pcap_zmq {
namespace {

using testing::AppendRecord;
using testing::Bytes;
using testing::Ipv4Packet;
using testing::Ipv6Packet;
using testing::kFirstTimestamp;
using testing::kTcp;
using testing::MakeBlock;
using testing::ParseCapture;
using testing::ParsedRecord;
using testing::Ports;

const std::vector<std::string> kLabels = {"/run/a", "/run/b", "/run/c"};

// Packet `number` of a flow, to its server or back.
Bytes FlowPacket(uint32_t flow, bool reply, size_t padding = 0) {
  const auto port = static_cast<uint16_t>(20'000 + flow);
  const Ports there{port, 443};
  const Ports back{443, port};
  const std::string body = "flow " + std::to_string(flow) + std::string(padding, '.');
  return flow % 2 == 0
             ? (reply ? Ipv4Packet(body, 0xc0000201, 0x0a000001, back, kTcp)
                      : Ipv4Packet(body, 0x0a000001, 0xc0000201, there, kTcp))
             : (reply ? Ipv6Packet(body, 7, 9, back, kTcp) : Ipv6Packet(body, 9, 7, there, kTcp));
}

std::vector<ParsedRecord> RecordsOf(const RecordBlock& block) {
  const FileHeaderBytes header = FileHeader(LinkType::kRaw);
  Bytes capture(header.begin(), header.end());
  capture.insert(capture.end(), block.records.begin(), block.records.end());
  testing::ParsedCapture parsed = ParseCapture(capture);
  EXPECT_TRUE(parsed.valid);
  EXPECT_EQ(parsed.rest, 0U);
  EXPECT_EQ(parsed.records.size(), block.packet_count);
  return std::move(parsed.records);
}

// Rounds of both directions of many flows, in the order in which a gateway would see them.
RecordBlockPtr MixedBlock(uint32_t flows, uint32_t rounds) {
  Bytes records;
  uint32_t count = 0;
  for (uint32_t round = 0; round < rounds; ++round) {
    for (uint32_t flow = 0; flow < flows; ++flow) {
      AppendRecord(&records, FlowPacket(flow, round % 2 == 1, flow % 5), kFirstTimestamp + count);
      ++count;
    }
  }
  return MakeBlock(records, count);
}

TEST(BlockSpreader, EachFlowGoesToOneSinkInBothDirectionsAndInItsOrder) {
  constexpr uint32_t kFlows = 300;
  constexpr uint32_t kRounds = 6;
  BlockSpreader spreader(kLabels);
  std::map<Bytes, std::set<size_t>> sinks_of;
  uint32_t total = 0;
  size_t used = 0;
  const auto parts = spreader.Spread(MixedBlock(kFlows, kRounds));
  ASSERT_EQ(parts.size(), 3U);
  for (size_t sink = 0; sink < parts.size(); ++sink) {
    ASSERT_NE(parts[sink], nullptr);
    const RecordBlock& part = *parts[sink];
    const std::vector<ParsedRecord> records = RecordsOf(part);
    EXPECT_EQ(part.oldest_timestamp, records.front().timestamp);
    EXPECT_EQ(part.link_type, LinkType::kRaw);
    EXPECT_LE(part.storage.capacity(), std::max<size_t>(1024, 2 * part.records.size()));
    total += part.packet_count;
    used += part.records.size();
    Nanoseconds before = 0;
    for (const ParsedRecord& record : records) {
      EXPECT_GT(record.timestamp, before) << "out of order";
      before = record.timestamp;
      // What the packet was, from its time: nothing of it has changed.
      const auto number = static_cast<uint32_t>(record.timestamp - kFirstTimestamp);
      const uint32_t flow = number % kFlows;
      const bool reply = number / kFlows % 2 == 1;
      EXPECT_EQ(record.data, FlowPacket(flow, reply, flow % 5));
      sinks_of[FlowPacket(flow, false)].insert(sink);
    }
  }
  EXPECT_EQ(total, kFlows * kRounds) << "the sum over the sinks is what came";
  EXPECT_EQ(used, MixedBlock(kFlows, kRounds)->records.size());
  for (const auto& [flow, sinks] : sinks_of) {
    EXPECT_EQ(sinks.size(), 1U);
  }
  EXPECT_EQ(sinks_of.size(), kFlows);
}

TEST(BlockSpreader, SharesAreEven) {
  constexpr uint32_t kFlows = 20'000;
  BlockSpreader spreader(kLabels);
  const auto parts = spreader.Spread(MixedBlock(kFlows, 1));
  for (const RecordBlockPtr& part : parts) {
    ASSERT_NE(part, nullptr);
    EXPECT_NEAR(part->packet_count, kFlows / 3.0, 0.1 * kFlows / 3.0);
  }
}

TEST(BlockSpreader, AFlowKeepsItsSinkFromBlockToBlockAndInEveryOrderOfLabels) {
  BlockSpreader spreader(kLabels);
  BlockSpreader turned({kLabels[2], kLabels[0], kLabels[1]});
  for (uint32_t flow = 0; flow < 50; ++flow) {
    Bytes records;
    AppendRecord(&records, FlowPacket(flow, false), kFirstTimestamp);
    size_t first = 9;
    for (int again = 0; again < 3; ++again) {
      const auto parts = spreader.Spread(MakeBlock(records, 1));
      for (size_t sink = 0; sink < parts.size(); ++sink) {
        if (parts[sink] != nullptr) {
          EXPECT_TRUE(first == 9 || first == sink);
          first = sink;
        }
      }
    }
    EXPECT_NE(turned.Spread(MakeBlock(records, 1))[(first + 1) % 3], nullptr);
  }
}

TEST(BlockSpreader, ABlockOfOneSinkIsHandedOnAsItIs) {
  BlockSpreader spreader(kLabels);
  Bytes records;
  for (uint32_t i = 0; i < 10; ++i) {
    AppendRecord(&records, FlowPacket(4, i % 2 == 1), kFirstTimestamp + i);
  }
  const RecordBlockPtr block = MakeBlock(records, 10);
  size_t given = 0;
  for (const RecordBlockPtr& part : spreader.Spread(block)) {
    if (part != nullptr) {
      EXPECT_EQ(part, block);
      ++given;
    }
  }
  EXPECT_EQ(given, 1U);
}

TEST(BlockSpreader, PartsOutliveTheNextBlockAndTheSpreader) {
  RecordBlockPtr kept;
  Bytes before;
  {
    BlockSpreader spreader(kLabels);
    kept = std::move(spreader.Spread(MixedBlock(100, 2))[1]);
    before.assign(kept->records.begin(), kept->records.end());
    spreader.Spread(MixedBlock(90, 3));
  }
  EXPECT_EQ(Bytes(kept->records.begin(), kept->records.end()), before);
}

TEST(BlockSpreader, FragmentsOfADatagramStayTogether) {
  BlockSpreader spreader(kLabels);
  for (uint32_t host = 1; host < 40; ++host) {
    Bytes first = Ipv4Packet("the first one has the ports", host, 0xc0000201);
    StoreBe<uint16_t>(first.data() + 6, 0x2000);
    Bytes later =
        Ipv4Packet("of a later one these are bytes of the body", host, 0xc0000201, Ports{1, 2});
    StoreBe<uint16_t>(later.data() + 6, 0x0010);
    Bytes records;
    AppendRecord(&records, first, kFirstTimestamp);
    AppendRecord(&records, later, kFirstTimestamp + 1);
    size_t given = 0;
    for (const RecordBlockPtr& part : spreader.Spread(MakeBlock(records, 2))) {
      given += part != nullptr ? 1U : 0U;
    }
    EXPECT_EQ(given, 1U);
  }
}

// Whoever fragments a part of what he sends would else choose what each IDS sees.
TEST(BlockSpreader, ByAddressesFragmentsGoWhereTheRestOfTheirFlowGoes) {
  const auto parts_of_a_flow = [](SpreadBy by) {
    BlockSpreader spreader(kLabels, by);
    size_t divided = 0;
    for (uint32_t host = 1; host < 40; ++host) {
      Bytes fragment = Ipv4Packet("a fragment of the flow's next packet", host, 0xc0000201);
      StoreBe<uint16_t>(fragment.data() + 6, 0x2000);
      Bytes records;
      AppendRecord(&records, Ipv4Packet("a whole packet", host, 0xc0000201), kFirstTimestamp);
      AppendRecord(&records, fragment, kFirstTimestamp + 1);
      const auto parts = spreader.Spread(MakeBlock(records, 2));
      divided += std::count(parts.begin(), parts.end(), nullptr) + 2 ==
                         static_cast<ptrdiff_t>(parts.size())
                     ? 1U
                     : 0U;
    }
    return divided;
  };
  EXPECT_GT(parts_of_a_flow(SpreadBy::kFlow), 0U);
  EXPECT_EQ(parts_of_a_flow(SpreadBy::kAddresses), 0U);
}

TEST(BlockSpreader, OfOtherLinkTypesTheIpPacketInTheFrameCounts) {
  BlockSpreader spreader(kLabels);
  const auto sink_of = [&](const Bytes& frame, LinkType link_type) {
    Bytes records;
    AppendRecord(&records, frame, kFirstTimestamp);
    const auto parts = spreader.Spread(MakeBlock(records, 1, link_type));
    for (size_t sink = 0; sink < parts.size(); ++sink) {
      if (parts[sink] != nullptr) {
        EXPECT_EQ(parts[sink]->link_type, link_type);
        return sink;
      }
    }
    return size_t{9};
  };
  for (uint32_t flow = 0; flow < 40; flow += 2) {
    const Bytes packet = FlowPacket(flow, false);
    Bytes frame = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
    frame.insert(frame.end(), packet.begin(), packet.end());
    EXPECT_EQ(sink_of(frame, LinkType::kEthernet), sink_of(packet, LinkType::kRaw));
  }
  const Bytes arp = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1};
  EXPECT_LT(sink_of(arp, LinkType::kEthernet), 3U)
      << "what has no flow goes somewhere all the same";
  EXPECT_LT(sink_of({}, LinkType::kRaw), 3U);
}

TEST(BlockSpreader, LargePacketsAndEmptyBlocksAreNoExceptions) {
  BlockSpreader spreader(kLabels);
  Bytes records;
  for (uint32_t flow = 0; flow < 8; ++flow) {
    AppendRecord(&records, FlowPacket(flow, false, 200'000), kFirstTimestamp + flow);
  }
  uint32_t packets = 0;
  for (const RecordBlockPtr& part : spreader.Spread(MakeBlock(records, 8))) {
    packets += part != nullptr ? static_cast<uint32_t>(RecordsOf(*part).size()) : 0;
  }
  EXPECT_EQ(packets, 8U);
  for (const RecordBlockPtr& part : spreader.Spread(MakeBlock({}, 0))) {
    EXPECT_EQ(part, nullptr);
  }
}

}  // namespace
}  // namespace pcap_zmq
