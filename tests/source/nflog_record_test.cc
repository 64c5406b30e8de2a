// SPDX-License-Identifier: MIT
#include "source/nflog_record.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <random>
#include <vector>

#include "tests/source/nflog_datagram.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq {
namespace {

using testing::AppendDone;
using testing::AppendPacket;
using testing::AppendReply;
using testing::Bytes;
using testing::Ipv4Packet;
using testing::Ipv6Packet;
using testing::LoggedPacket;

Bytes ToBytes(std::span<const uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

struct Items {
  std::vector<NflogRecord> packets;
  std::vector<Bytes> payloads;
  std::vector<int> replies;
  int damaged = 0;
};

// Reads from a heap copy of the exact size, so that a read outside of it is seen by the sanitizer,
// and checks that every payload lies inside.
Items ReadAll(std::span<const uint8_t> datagram) {
  const auto copy = std::make_unique<uint8_t[]>(datagram.size());
  std::copy(datagram.begin(), datagram.end(), copy.get());
  const std::span<const uint8_t> exact(copy.get(), datagram.size());
  NflogDatagramReader reader(exact);
  Items items;
  // Every item takes at least one byte.
  for (size_t i = 0; i <= datagram.size(); ++i) {
    switch (reader.Next()) {
      case NflogItem::kPacket: {
        const NflogRecord& record = reader.packet();
        if (!record.payload.empty()) {
          EXPECT_GE(record.payload.data(), exact.data());
          EXPECT_LE(record.payload.data() + record.payload.size(), exact.data() + exact.size());
        }
        const std::optional<size_t> offset = NflogIpOffset(record);
        EXPECT_TRUE(!offset.has_value() || *offset < record.payload.size());
        items.packets.push_back(record);
        items.payloads.push_back(ToBytes(record.payload));
        break;
      }
      case NflogItem::kReply:
        items.replies.push_back(reader.reply_error());
        break;
      case NflogItem::kDamaged:
        ++items.damaged;
        break;
      case NflogItem::kEnd:
        return items;
    }
  }
  ADD_FAILURE() << "the reader does not end";
  return items;
}

std::optional<size_t> IpOffsetOf(const LoggedPacket& packet) {
  Bytes datagram;
  AppendPacket(&datagram, packet);
  NflogDatagramReader reader(datagram);
  EXPECT_EQ(reader.Next(), NflogItem::kPacket);
  return NflogIpOffset(reader.packet());
}

Bytes KernelBatch() {
  Bytes datagram;
  AppendPacket(&datagram, {.group = 7,
                           .timestamp = {{1'700'000'000, 999'999}},
                           .sequence = 41,
                           .payload = Ipv4Packet("odd length")});
  AppendPacket(&datagram, {.family = 10,
                           .group = 7,
                           .hook = 3,
                           .hw_protocol = 0x86dd,
                           .sequence = 42,
                           .payload = Ipv6Packet("x")});
  AppendDone(&datagram);
  return datagram;
}

TEST(NflogDatagramReader, BatchOfTwoPacketsIsReadInOrderWithAllFields) {
  const Items items = ReadAll(KernelBatch());
  ASSERT_EQ(items.packets.size(), 2U);
  EXPECT_EQ(items.damaged, 0);
  EXPECT_EQ(items.packets[0].group, 7);
  EXPECT_EQ(items.packets[0].family, 2);
  EXPECT_EQ(items.packets[0].hook, 1);
  EXPECT_EQ(items.packets[0].hw_protocol, 0x0800);
  EXPECT_EQ(items.packets[0].timestamp, 1'700'000'000'999'999'000);
  EXPECT_TRUE(items.packets[0].has_sequence);
  EXPECT_EQ(items.packets[0].sequence, 41U);
  EXPECT_EQ(items.payloads[0], Ipv4Packet("odd length"));
  EXPECT_EQ(items.packets[1].family, 10);
  EXPECT_EQ(items.packets[1].hook, 3);
  EXPECT_EQ(items.packets[1].sequence, 42U);
  EXPECT_EQ(items.packets[1].timestamp, 0) << "nothing is left over from the packet before";
  EXPECT_EQ(items.payloads[1], Ipv6Packet("x"));
}

TEST(NflogDatagramReader, PacketWithoutAttributesIsAPacketWithoutPayload) {
  Bytes datagram;
  AppendPacket(&datagram, {.group = 65535, .hw_protocol = {}});
  const Items items = ReadAll(datagram);
  ASSERT_EQ(items.packets.size(), 1U);
  EXPECT_EQ(items.packets[0].group, 65535);
  EXPECT_FALSE(items.packets[0].has_sequence);
  EXPECT_TRUE(items.packets[0].payload.empty());
}

TEST(NflogDatagramReader, RepliesAmongPacketsAreToldApartBySequenceAndError) {
  Bytes datagram;
  AppendReply(&datagram, 5, 0);
  AppendPacket(&datagram, {.payload = Ipv4Packet("x")});
  AppendReply(&datagram, 6, EPERM);
  NflogDatagramReader reader(datagram);
  ASSERT_EQ(reader.Next(), NflogItem::kReply);
  EXPECT_EQ(reader.reply_sequence(), 5U);
  EXPECT_EQ(reader.reply_error(), 0);
  ASSERT_EQ(reader.Next(), NflogItem::kPacket);
  ASSERT_EQ(reader.Next(), NflogItem::kReply);
  EXPECT_EQ(reader.reply_sequence(), 6U);
  EXPECT_EQ(reader.reply_error(), EPERM);
  EXPECT_EQ(reader.Next(), NflogItem::kEnd);
  EXPECT_EQ(reader.Next(), NflogItem::kEnd);
}

TEST(NflogDatagramReader, MessagesOfOtherSubsystemsAreSkipped) {
  Bytes datagram;
  testing::AppendMessage(&datagram, (NFNL_SUBSYS_CTNETLINK << 8) | 0, 0, Bytes(20, 0xff));
  AppendPacket(&datagram, {.payload = Ipv4Packet("x")});
  const Items items = ReadAll(datagram);
  EXPECT_EQ(items.packets.size(), 1U);
  EXPECT_EQ(items.damaged, 0);
}

TEST(NflogDatagramReader, DamagedAttributeLosesItsMessageAndNotItsNeighbours) {
  for (const uint16_t length : std::vector<uint16_t>{0, 3, 500}) {
    Bytes datagram;
    AppendPacket(&datagram, {.sequence = 1, .payload = Ipv4Packet("before")});
    const size_t victim = datagram.size();
    AppendPacket(&datagram, {.sequence = 2, .payload = Ipv4Packet("victim")});
    std::memcpy(datagram.data() + victim + 16 + 4, &length, sizeof length);
    AppendPacket(&datagram, {.sequence = 3, .payload = Ipv4Packet("after")});
    const Items items = ReadAll(datagram);
    EXPECT_EQ(items.damaged, 1) << length;
    ASSERT_EQ(items.payloads.size(), 2U) << length;
    EXPECT_EQ(items.payloads[0], Ipv4Packet("before"));
    EXPECT_EQ(items.payloads[1], Ipv4Packet("after"));
  }
}

TEST(NflogDatagramReader, AttributesShorterThanTheirTypeAreDamage) {
  for (const uint16_t type : std::vector<uint16_t>{NFULA_PACKET_HDR, NFULA_TIMESTAMP, NFULA_SEQ}) {
    Bytes body(4);
    testing::AppendAttribute(&body, type, Bytes(3));
    Bytes datagram;
    testing::AppendMessage(&datagram, (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET, 0, body);
    const Items items = ReadAll(datagram);
    EXPECT_EQ(items.damaged, 1) << type;
    EXPECT_TRUE(items.packets.empty()) << type;
  }
}

TEST(NflogDatagramReader, ImpossibleTimestampsAreDamageAndDoNotOverflow) {
  for (const auto& stamp :
       {std::pair<uint64_t, uint64_t>{UINT64_MAX, 0}, std::pair<uint64_t, uint64_t>{0, UINT64_MAX},
        std::pair<uint64_t, uint64_t>{uint64_t{1} << 32, 0},
        std::pair<uint64_t, uint64_t>{0, 1'000'000}}) {
    Bytes datagram;
    AppendPacket(&datagram, {.timestamp = stamp, .payload = Ipv4Packet("x")});
    EXPECT_EQ(ReadAll(datagram).damaged, 1);
  }
}

TEST(NflogDatagramReader, MessageLengthsThatDoNotFitEndTheDatagram) {
  for (const uint32_t length : {0U, 15U, 1'000'000U, 0xffffffffU}) {
    Bytes datagram;
    AppendPacket(&datagram, {.payload = Ipv4Packet("before")});
    const size_t victim = datagram.size();
    AppendPacket(&datagram, {.payload = Ipv4Packet("victim")});
    std::memcpy(datagram.data() + victim, &length, sizeof length);
    const Items items = ReadAll(datagram);
    EXPECT_EQ(items.packets.size(), 1U) << length;
    EXPECT_EQ(items.damaged, 1) << length;
  }
}

TEST(NflogDatagramReader, EveryTruncationOfABatchDeliversItsWholePacketsAndCountsTheRest) {
  const Bytes datagram = KernelBatch();
  size_t most_packets = 0;
  for (size_t length = 0; length < datagram.size(); ++length) {
    const Items items = ReadAll(std::span(datagram).first(length));
    EXPECT_GE(items.packets.size(), most_packets) << length;
    EXPECT_LE(items.damaged, 1) << length;
    most_packets = items.packets.size();
    if (most_packets > 0) {
      EXPECT_EQ(items.payloads[0], Ipv4Packet("odd length")) << length;
    }
  }
  EXPECT_EQ(most_packets, 2U);
  EXPECT_EQ(ReadAll(std::span(datagram).first(datagram.size() - 1)).damaged, 1);
}

TEST(NflogDatagramReader, EveryFlippedBitAndRandomBytesAreReadInsideTheDatagram) {
  const Bytes datagram = KernelBatch();
  for (size_t bit = 0; bit < datagram.size() * 8; ++bit) {
    Bytes flipped = datagram;
    flipped[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    const Items items = ReadAll(flipped);
    EXPECT_LE(items.packets.size(), 2U);
  }
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    Bytes noise(random() % 200);
    for (uint8_t& byte : noise) {
      // Small values make plausible lengths.
      byte = static_cast<uint8_t>(random() % (random() % 2 == 0 ? 256 : 8));
    }
    ReadAll(noise);
  }
}

TEST(NflogIpOffset, IpFamiliesGoByTheVersionNibble) {
  EXPECT_EQ(IpOffsetOf({.family = 2, .payload = Ipv4Packet("x")}), 0U);
  EXPECT_EQ(IpOffsetOf({.family = 10, .payload = Ipv6Packet("x")}), 0U);
  EXPECT_EQ(IpOffsetOf({.family = 2, .hw_protocol = {}, .payload = Ipv6Packet("x")}), 0U);
  EXPECT_EQ(IpOffsetOf({.family = 2, .payload = Bytes(40, 0x55)}), std::nullopt);
  EXPECT_EQ(IpOffsetOf({.family = 2, .payload = Bytes()}), std::nullopt);
}

TEST(NflogIpOffset, NetdevEgressStartsAtTheEthernetHeader) {
  Bytes frame(12, 0x45);
  frame.insert(frame.end(), {0x08, 0x00});
  const Bytes ip = Ipv4Packet("x");
  frame.insert(frame.end(), ip.begin(), ip.end());
  EXPECT_EQ(IpOffsetOf({.family = 5, .hook = 1, .payload = frame}), 14U);
  EXPECT_EQ(IpOffsetOf({.family = 5, .hook = 1, .payload = ip}), 0U) << "tun has no link layer";
  Bytes arp(42, 0x45);
  arp[12] = 0x08;
  arp[13] = 0x06;
  EXPECT_EQ(IpOffsetOf({.family = 5, .hook = 1, .hw_protocol = 0x0806, .payload = arp}),
            std::nullopt);
}

TEST(NflogIpOffset, NetdevIngressAndBridgeGoByTheProtocolThatTheKernelSaw) {
  const Bytes v4 = Ipv4Packet("x");
  const Bytes v6 = Ipv6Packet("x");
  EXPECT_EQ(IpOffsetOf({.family = 5, .hook = 0, .payload = v4}), 0U);
  EXPECT_EQ(IpOffsetOf({.family = 7, .hook = 2, .hw_protocol = 0x86dd, .payload = v6}), 0U);
  EXPECT_EQ(IpOffsetOf({.family = 7, .hook = 2, .hw_protocol = 0x0806, .payload = v4}),
            std::nullopt);
  EXPECT_EQ(IpOffsetOf({.family = 7, .hook = 2, .hw_protocol = 0x86dd, .payload = v4}),
            std::nullopt);
  EXPECT_EQ(IpOffsetOf({.family = 3, .hw_protocol = {}, .payload = v4}), std::nullopt);
}

TEST(NflogIpOffset, InnerVlanTagsAreSteppedOver) {
  Bytes tagged = {0x00, 0x05, 0x81, 0x00, 0x00, 0x06, 0x08, 0x00};
  const Bytes ip = Ipv4Packet("x");
  tagged.insert(tagged.end(), ip.begin(), ip.end());
  EXPECT_EQ(IpOffsetOf({.family = 5, .hook = 0, .hw_protocol = 0x88a8, .payload = tagged}), 8U);
  EXPECT_EQ(IpOffsetOf({.family = 5,
                        .hook = 0,
                        .hw_protocol = 0x8100,
                        .payload = Bytes(tagged.begin(), tagged.begin() + 6)}),
            std::nullopt);
}

}  // namespace
}  // namespace pcap_zmq
