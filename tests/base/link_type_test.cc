// SPDX-License-Identifier: MIT
#include "base/link_type.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_io.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;

constexpr uint16_t kV4 = 0x0800;
constexpr uint16_t kV6 = 0x86dd;

Bytes Ip(uint16_t ether_type) {
  return ether_type == kV6 ? testing::Ipv6Packet("hello") : testing::Ipv4Packet("hello");
}

void AppendBe16(Bytes* bytes, uint16_t value) {
  bytes->push_back(static_cast<uint8_t>(value >> 8));
  bytes->push_back(static_cast<uint8_t>(value & 0xff));
}

Bytes Join(Bytes head, const Bytes& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

// `tags` are the VLAN tag types from the outside in.
Bytes EthernetHeader(uint16_t ether_type, const std::vector<uint16_t>& tags = {}) {
  Bytes header(12, 0x02);
  for (const uint16_t tag : tags) {
    AppendBe16(&header, tag);
    AppendBe16(&header, 0x0064);
  }
  AppendBe16(&header, ether_type);
  return header;
}

Bytes SllHeader(uint16_t ether_type) {
  Bytes header(14, 0);
  AppendBe16(&header, ether_type);
  return header;
}

Bytes Sll2Header(uint16_t ether_type) {
  Bytes header;
  AppendBe16(&header, ether_type);
  header.resize(20);
  return header;
}

Bytes FamilyHeader(uint32_t family, bool big_endian) {
  Bytes header(4);
  if (big_endian) {
    StoreBe(header.data(), family);
  } else {
    StoreLe(header.data(), family);
  }
  return header;
}

// Looks at an exact heap copy, so that AddressSanitizer sees one byte read too far.
std::optional<size_t> OffsetOf(LinkType type, const Bytes& frame, size_t length) {
  const auto copy = std::make_unique<uint8_t[]>(length);
  std::copy_n(frame.begin(), length, copy.get());
  return IpOffset(type, copy.get(), length);
}

std::optional<size_t> OffsetOf(LinkType type, const Bytes& frame) {
  return OffsetOf(type, frame, frame.size());
}

struct Carrier {
  std::string name;
  LinkType type;
  Bytes header;
  uint16_t ether_type;
};

std::vector<Carrier> Carriers() {
  std::vector<Carrier> all;
  for (const uint16_t type : {kV4, kV6}) {
    const std::string v = type == kV4 ? " v4" : " v6";
    all.push_back({"ethernet" + v, LinkType::kEthernet, EthernetHeader(type), type});
    all.push_back({"vlan" + v, LinkType::kEthernet, EthernetHeader(type, {0x8100}), type});
    all.push_back({"qinq" + v, LinkType::kEthernet, EthernetHeader(type, {0x88a8, 0x8100}), type});
    all.push_back({"old qinq" + v, LinkType::kEthernet,
                   EthernetHeader(type, {0x9100, 0x9100, 0x8100}), type});
    all.push_back({"sll" + v, LinkType::kLinuxSll, SllHeader(type), type});
    all.push_back({"sll2" + v, LinkType::kLinuxSll2, Sll2Header(type), type});
    all.push_back({"raw" + v, LinkType::kRaw, {}, type});
    all.push_back({"own type" + v, type == kV4 ? LinkType::kIpv4 : LinkType::kIpv6, {}, type});
    const std::vector<uint32_t> families =
        type == kV4 ? std::vector<uint32_t>{2} : std::vector<uint32_t>{10, 24, 28, 30};
    for (const uint32_t family : families) {
      const std::string f = " family " + std::to_string(family);
      all.push_back({"null le" + f, LinkType::kNull, FamilyHeader(family, false), type});
      all.push_back({"null be" + f, LinkType::kNull, FamilyHeader(family, true), type});
      all.push_back({"loop" + f, LinkType::kLoop, FamilyHeader(family, true), type});
    }
  }
  return all;
}

TEST(IpOffset, IsTheLengthOfTheLinkHeaderWhateverTheCarrier) {
  for (const Carrier& carrier : Carriers()) {
    EXPECT_EQ(OffsetOf(carrier.type, Join(carrier.header, Ip(carrier.ether_type))),
              carrier.header.size())
        << carrier.name;
  }
}

TEST(IpOffset, NeedsOneByteOfTheIpPacketAndNotMore) {
  for (const Carrier& carrier : Carriers()) {
    const Bytes frame = Join(carrier.header, Ip(carrier.ether_type));
    for (size_t length = 0; length <= carrier.header.size() + 2; ++length) {
      const auto offset = OffsetOf(carrier.type, frame, length);
      EXPECT_EQ(offset.has_value(), length > carrier.header.size())
          << carrier.name << " cut to " << length;
    }
  }
}

TEST(IpOffset, RefusesAVersionNibbleThatContradictsTheCarrier) {
  for (const Carrier& carrier : Carriers()) {
    if (carrier.type == LinkType::kRaw) {
      continue;  // has no other sign of the version
    }
    const uint16_t other = carrier.ether_type == kV4 ? kV6 : kV4;
    EXPECT_EQ(OffsetOf(carrier.type, Join(carrier.header, Ip(other))), std::nullopt)
        << carrier.name;
  }
}

TEST(IpOffset, RefusesWhatIsNotIp) {
  const Bytes arp(28, 0x45);
  constexpr uint16_t kArp = 0x0806;
  EXPECT_EQ(OffsetOf(LinkType::kEthernet, Join(EthernetHeader(kArp), arp)), std::nullopt);
  EXPECT_EQ(OffsetOf(LinkType::kEthernet, Join(EthernetHeader(kArp, {0x8100}), arp)), std::nullopt);
  EXPECT_EQ(OffsetOf(LinkType::kLinuxSll, Join(SllHeader(kArp), arp)), std::nullopt);
  EXPECT_EQ(OffsetOf(LinkType::kLinuxSll2, Join(Sll2Header(kArp), arp)), std::nullopt);
  EXPECT_EQ(OffsetOf(LinkType::kNull, Join(FamilyHeader(7, false), arp)), std::nullopt);
  EXPECT_EQ(OffsetOf(LinkType::kRaw, Bytes(20, 0x50)), std::nullopt);
}

TEST(IpOffset, AnEndlessChainOfTagsEndsWithTheFrame) {
  Bytes frame(12, 0);
  for (int i = 0; i < 1000; ++i) {
    AppendBe16(&frame, 0x8100);
  }
  EXPECT_EQ(OffsetOf(LinkType::kEthernet, frame), std::nullopt);
}

TEST(IpOffset, UnknownLinkTypesAreRefusedAndNotGuessed) {
  const auto unknown = static_cast<LinkType>(147);
  EXPECT_EQ(OffsetOf(unknown, testing::Ipv4Packet("x")), std::nullopt);
  EXPECT_FALSE(CanCutToIp(unknown));
}

TEST(CanCutToIp, IsTrueForExactlyTheKnownLinkTypes) {
  std::vector<uint32_t> known;
  for (uint32_t type = 0; type < 400; ++type) {
    if (CanCutToIp(static_cast<LinkType>(type))) {
      known.push_back(type);
    }
  }
  EXPECT_EQ(known, (std::vector<uint32_t>{0, 1, 101, 108, 113, 228, 229, 276}));
}

}  // namespace
}  // namespace pcap_zmq
