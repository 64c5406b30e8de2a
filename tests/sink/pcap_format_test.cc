// SPDX-License-Identifier: MIT
#include "sink/pcap_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "tests/sink/sink_testing.h"

namespace pcap_zmq {
namespace {

using testing::AppendRecord;
using testing::Bytes;
using testing::Ipv4Packet;
using testing::Ipv6Packet;
using testing::MakeBlock;
using testing::ParseCapture;
using testing::ParsedCapture;

Bytes Framed(const Bytes& link_header, const Bytes& packet) {
  Bytes frame = link_header;
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

ParsedCapture Parse(LinkType link_type, const RecordBlock& block) {
  const FileHeaderBytes header = FileHeader(link_type);
  Bytes capture(header.begin(), header.end());
  capture.insert(capture.end(), block.records.begin(), block.records.end());
  return ParseCapture(capture);
}

TEST(FileHeader, IsALittleEndianNanosecondCaptureOfVersionTwoFour) {
  const FileHeaderBytes header = FileHeader(LinkType::kRaw);
  const Bytes expected = {0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0,   0, 0, 0,
                          0,    0,    0,    0,    0, 0, 4, 0, 101, 0, 0, 0};
  EXPECT_EQ(Bytes(header.begin(), header.end()), expected);
  EXPECT_EQ(FileHeader(LinkType::kEthernet)[20], 1);
}

TEST(LastBoundary, IsWhereTheLastWholeRecordBeforeTheLimitEnds) {
  Bytes records;
  AppendRecord(&records, Bytes(10), 1);
  AppendRecord(&records, Bytes(0), 2);
  AppendRecord(&records, Bytes(5), 3);
  const auto at = [&](uint64_t limit) {
    const RecordBoundary boundary = LastBoundary(records, limit);
    return std::pair(boundary.bytes, boundary.packets);
  };
  EXPECT_EQ(at(0), std::pair(size_t{0}, 0U));
  EXPECT_EQ(at(25), std::pair(size_t{0}, 0U));
  EXPECT_EQ(at(26), std::pair(size_t{26}, 1U));
  EXPECT_EQ(at(41), std::pair(size_t{26}, 1U));
  EXPECT_EQ(at(42), std::pair(size_t{42}, 2U));
  EXPECT_EQ(at(62), std::pair(size_t{42}, 2U));
  EXPECT_EQ(at(63), std::pair(size_t{63}, 3U));
  EXPECT_EQ(at(1000), std::pair(size_t{63}, 3U));
}

TEST(Compact, ABlockLetsGoOfFarMoreMemoryThanItNeedsAndKeepsItsContent) {
  const auto in_buffer = [](const RecordBlockPtr& block, size_t buffer_bytes) {
    FramePool pool(buffer_bytes);
    auto loose = std::make_shared<RecordBlock>();
    loose->storage = pool.Allocate(block->records.size());
    std::copy(block->records.begin(), block->records.end(), loose->storage.data());
    loose->records = loose->storage.bytes();
    loose->packet_count = block->packet_count;
    loose->oldest_timestamp = block->oldest_timestamp;
    return loose;
  };
  for (const uint32_t packets : {1U, 2U, 100U, 500U}) {
    const RecordBlockPtr block = in_buffer(testing::NumberedBlock(3, packets), 100'000);
    const RecordBlockPtr compact = Compact(block);
    EXPECT_NE(compact, block);
    EXPECT_EQ(Bytes(compact->records.begin(), compact->records.end()),
              Bytes(block->records.begin(), block->records.end()));
    EXPECT_EQ(compact->packet_count, packets);
    EXPECT_EQ(compact->oldest_timestamp, block->oldest_timestamp);
    EXPECT_GE(HeldBytes(*block), 100'000U);
    EXPECT_LT(HeldBytes(*compact), block->records.size() + 1000);
  }
  const RecordBlockPtr half = in_buffer(testing::NumberedBlock(0, 50, 1000), 100'000);
  EXPECT_EQ(Compact(half), half);
  const RecordBlockPtr snug = testing::NumberedBlock(0, 2);
  EXPECT_EQ(Compact(snug), snug);
}

TEST(LinkConverter, BlockOfTheCapturesOwnTypePassesUntouched) {
  const RecordBlockPtr block = testing::NumberedBlock(0, 3);
  uint64_t dropped = 0;
  EXPECT_EQ(LinkConverter(LinkType::kRaw).Convert(block, &dropped), block);
  EXPECT_EQ(dropped, 0U);
}

TEST(LinkConverter, RawBecomesEthernetWithTheEtherTypeOfItsVersion) {
  Bytes records;
  AppendRecord(&records, Ipv4Packet("four"), 1'000'000'001);
  AppendRecord(&records, Ipv6Packet("six"), 1'000'000'002, 5000);
  AppendRecord(&records, {0x10, 0x20}, 1'000'000'003);
  uint64_t dropped = 0;
  const RecordBlockPtr block =
      LinkConverter(LinkType::kEthernet).Convert(MakeBlock(records, 3), &dropped);
  EXPECT_EQ(dropped, 1U);
  EXPECT_EQ(block->packet_count, 2U);
  EXPECT_EQ(block->link_type, LinkType::kEthernet);
  const ParsedCapture capture = Parse(LinkType::kEthernet, *block);
  ASSERT_TRUE(capture.valid);
  EXPECT_EQ(capture.link_type, 1U);
  ASSERT_EQ(capture.records.size(), 2U);
  EXPECT_EQ(capture.records[0].data,
            Framed({2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00}, Ipv4Packet("four")));
  EXPECT_EQ(capture.records[0].timestamp, 1'000'000'001);
  EXPECT_EQ(capture.records[0].original_length, Ipv4Packet("four").size() + 14);
  EXPECT_EQ(capture.records[1].data,
            Framed({2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd}, Ipv6Packet("six")));
  EXPECT_EQ(capture.records[1].original_length, 5014U);
}

TEST(LinkConverter, LargestRawPacketStaysReadableAsEthernet) {
  Bytes packet(262144, 0x5a);
  packet[0] = 0x45;
  Bytes records;
  AppendRecord(&records, packet, 1);
  uint64_t dropped = 0;
  const RecordBlockPtr block =
      LinkConverter(LinkType::kEthernet).Convert(MakeBlock(records, 1), &dropped);
  const ParsedCapture capture = Parse(LinkType::kEthernet, *block);
  ASSERT_TRUE(capture.valid);
  ASSERT_EQ(capture.records.size(), 1U);
  EXPECT_EQ(capture.records[0].data.size(), 262144U);
  EXPECT_EQ(capture.records[0].original_length, 262144U + 14);
  EXPECT_EQ(capture.rest, 0U);
}

TEST(LinkConverter, LinkLayersAreCutDownToIpAndTheRestIsCounted) {
  const Bytes whole = Ipv4Packet(std::string(1000, 'x'));
  const Bytes ip(whole.begin(), whole.begin() + 60);
  const Bytes macs(12, 0x11);
  const Bytes ethernet = Framed(macs, {0x08, 0x00});
  const Bytes vlan = Framed(macs, {0x81, 0x00, 0x00, 0x07, 0x08, 0x00});
  const Bytes arp = Framed(macs, {0x08, 0x06});
  Bytes sll(16);
  sll[14] = 0x08;
  Bytes sll2(20);
  sll2[0] = 0x08;
  const Bytes null = {2, 0, 0, 0};
  struct Case {
    LinkType type;
    Bytes header;
  };
  for (const Case& link : {Case{LinkType::kEthernet, ethernet}, Case{LinkType::kEthernet, vlan},
                           Case{LinkType::kLinuxSll, sll}, Case{LinkType::kLinuxSll2, sll2},
                           Case{LinkType::kNull, null}, Case{LinkType::kIpv4, Bytes()}}) {
    SCOPED_TRACE(static_cast<int>(link.type));
    Bytes records;
    AppendRecord(&records, Framed(arp, ip), 7);  // no IP in any of the types
    AppendRecord(&records, Framed(link.header, ip), 8,
                 static_cast<uint32_t>(link.header.size() + whole.size()));
    uint64_t dropped = 0;
    const RecordBlockPtr block =
        LinkConverter(LinkType::kRaw).Convert(MakeBlock(records, 2, link.type), &dropped);
    EXPECT_EQ(dropped, 1U);
    EXPECT_EQ(block->packet_count, 1U);
    EXPECT_EQ(block->oldest_timestamp, 8);
    const ParsedCapture capture = Parse(LinkType::kRaw, *block);
    ASSERT_TRUE(capture.valid);
    ASSERT_EQ(capture.records.size(), 1U);
    EXPECT_EQ(capture.records[0].data, ip);
    EXPECT_EQ(capture.records[0].original_length, whole.size());
    EXPECT_EQ(capture.records[0].timestamp, 8);
  }
}

TEST(LinkConverter, PaddingOfAFrameGoesWithItsLinkLayer) {
  Bytes frame = Framed(Framed(Bytes(12, 0x11), {0x08, 0x00}), Ipv4Packet("ack"));
  frame.resize(60, 0xaa);
  Bytes records;
  AppendRecord(&records, frame, 7);
  uint64_t dropped = 0;
  const RecordBlockPtr block =
      LinkConverter(LinkType::kRaw).Convert(MakeBlock(records, 1, LinkType::kEthernet), &dropped);
  const ParsedCapture capture = Parse(LinkType::kRaw, *block);
  ASSERT_EQ(capture.records.size(), 1U);
  EXPECT_EQ(capture.records[0].data, Ipv4Packet("ack"));
  EXPECT_EQ(capture.records[0].original_length, Ipv4Packet("ack").size());
}

// A sender may claim any length: with the header of Ethernet it must not begin again at zero.
TEST(LinkConverter, TheLargestLengthOfAllIsNotExceeded) {
  for (const uint32_t original : {UINT32_MAX, UINT32_MAX - 13, UINT32_MAX - 14}) {
    Bytes records;
    AppendRecord(&records, Ipv4Packet("liar"), 7, original);
    uint64_t dropped = 0;
    const RecordBlockPtr block =
        LinkConverter(LinkType::kEthernet).Convert(MakeBlock(records, 1), &dropped);
    const ParsedCapture capture = Parse(LinkType::kEthernet, *block);
    ASSERT_EQ(capture.records.size(), 1U);
    EXPECT_EQ(capture.records[0].original_length, UINT32_MAX) << original;
    EXPECT_EQ(capture.records[0].data.size(), Ipv4Packet("liar").size() + 14);
  }
}

TEST(LinkConverter, CookedCaptureBecomesEthernet) {
  Bytes sll(16);
  sll[14] = 0x08;
  Bytes records;
  AppendRecord(&records, Framed(sll, Ipv4Packet("x")), 7);
  uint64_t dropped = 0;
  const RecordBlockPtr block = LinkConverter(LinkType::kEthernet)
                                   .Convert(MakeBlock(records, 1, LinkType::kLinuxSll), &dropped);
  const ParsedCapture capture = Parse(LinkType::kEthernet, *block);
  ASSERT_EQ(capture.records.size(), 1U);
  EXPECT_EQ(capture.records[0].data.size(), 14 + Ipv4Packet("x").size());
}

}  // namespace
}  // namespace pcap_zmq
