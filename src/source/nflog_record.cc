// SPDX-License-Identifier: MIT
#include "source/nflog_record.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>

#include <algorithm>

#include "base/byte_io.h"
#include "base/link_type.h"

namespace pcap_zmq {
namespace {

constexpr size_t kMessageHeader = sizeof(nlmsghdr);
constexpr size_t kGroupHeader = sizeof(nfgenmsg);
constexpr size_t kAttributeHeader = sizeof(nlattr);
constexpr uint16_t kPacketMessage = (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET;

constexpr uint16_t kEtherTypeIpv4 = 0x0800;
constexpr uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr uint8_t kNetdevEgress = 1;  // NF_NETDEV_EGRESS, which older headers lack

constexpr size_t Align4(size_t length) {
  return (length + 3) & ~size_t{3};
}

std::span<const uint8_t> DropFront(std::span<const uint8_t> bytes, size_t n) {
  return bytes.subspan(std::min(n, bytes.size()));
}

bool IsVlanTag(uint16_t protocol) {
  return protocol == 0x8100 || protocol == 0x88a8 || protocol == 0x9100;
}

// Payloads that start where the protocol in the link-layer header says.  The kernel takes the outer
// VLAN tag off by itself; inner tags are still there.
std::optional<size_t> OffsetByProtocol(uint16_t protocol, std::span<const uint8_t> payload) {
  size_t offset = 0;
  while (IsVlanTag(protocol) && payload.size() >= offset + 4) {
    protocol = LoadBe<uint16_t>(payload.data() + offset + 2);
    offset += 4;
  }
  const uint8_t version = protocol == kEtherTypeIpv4 ? 4 : protocol == kEtherTypeIpv6 ? 6 : 0;
  if (version == 0 || offset >= payload.size() || payload[offset] >> 4 != version) {
    return std::nullopt;
  }
  return offset;
}

}  // namespace

std::optional<size_t> NflogIpOffset(const NflogRecord& record) {
  const std::span<const uint8_t> payload = record.payload;
  if (payload.empty()) {
    return std::nullopt;
  }
  switch (record.family) {
    case NFPROTO_IPV4:
    case NFPROTO_IPV6: {
      const uint8_t version = payload[0] >> 4;
      return version == 4 || version == 6 ? std::optional<size_t>(0) : std::nullopt;
    }
    case NFPROTO_NETDEV:
      if (record.hook == kNetdevEgress) {
        const auto offset = IpOffset(LinkType::kEthernet, payload.data(), payload.size());
        if (offset.has_value()) {
          return offset;
        }
        // Devices without a link layer (tun, wireguard) send the bare packet.
      }
      break;
    default:
      break;
  }
  return OffsetByProtocol(record.hw_protocol, payload);
}

NflogItem NflogDatagramReader::Next() {
  while (rest_.size() >= kMessageHeader) {
    const uint8_t* header = rest_.data();
    const size_t length = LoadNative<uint32_t>(header);
    if (length < kMessageHeader || length > rest_.size()) {
      // Where the next message would start is unknown.
      rest_ = {};
      return NflogItem::kDamaged;
    }
    const std::span<const uint8_t> body = rest_.subspan(kMessageHeader, length - kMessageHeader);
    rest_ = DropFront(rest_, Align4(length));
    const uint16_t type = LoadNative<uint16_t>(header + 4);
    if (type == kPacketMessage) {
      return ParsePacket(body) ? NflogItem::kPacket : NflogItem::kDamaged;
    }
    if (type == NLMSG_ERROR) {
      if (body.size() < sizeof(int32_t)) {
        return NflogItem::kDamaged;
      }
      // Negated without overflow: the kernel's codes are small, damaged ones need not be.
      reply_error_ = static_cast<int>(-int64_t{LoadNative<int32_t>(body.data())} & 0x7fffffff);
      reply_sequence_ = LoadNative<uint32_t>(header + 8);
      return NflogItem::kReply;
    }
    // NLMSG_DONE closes a kernel batch and carries nothing.
  }
  if (!rest_.empty()) {
    rest_ = {};
    return NflogItem::kDamaged;
  }
  return NflogItem::kEnd;
}

bool NflogDatagramReader::ParsePacket(std::span<const uint8_t> body) {
  packet_ = {};
  if (body.size() < kGroupHeader) {
    return false;
  }
  packet_.family = body[0];
  packet_.group = LoadBe<uint16_t>(body.data() + 2);
  std::span<const uint8_t> rest = body.subspan(kGroupHeader);
  while (rest.size() >= kAttributeHeader) {
    const size_t length = LoadNative<uint16_t>(rest.data());
    if (length < kAttributeHeader || length > rest.size()) {
      return false;
    }
    constexpr uint16_t kTypeMask = 0x3fff;  // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
    const uint16_t type = LoadNative<uint16_t>(rest.data() + 2) & kTypeMask;
    if (!ParseAttribute(type, rest.subspan(kAttributeHeader, length - kAttributeHeader))) {
      return false;
    }
    rest = DropFront(rest, Align4(length));
  }
  return rest.empty();
}

bool NflogDatagramReader::ParseAttribute(uint16_t type, std::span<const uint8_t> value) {
  switch (type) {
    case NFULA_PACKET_HDR:
      if (value.size() < sizeof(nfulnl_msg_packet_hdr)) {
        return false;
      }
      packet_.hw_protocol = LoadBe<uint16_t>(value.data());
      packet_.hook = value[2];
      return true;
    case NFULA_TIMESTAMP: {
      if (value.size() < sizeof(nfulnl_msg_packet_timestamp)) {
        return false;
      }
      const uint64_t seconds = LoadBe<uint64_t>(value.data());
      const uint64_t micros = LoadBe<uint64_t>(value.data() + 8);
      if (seconds > UINT32_MAX || micros >= 1'000'000) {
        return false;
      }
      packet_.timestamp = static_cast<Nanoseconds>(seconds) * kNanosPerSecond +
                          static_cast<Nanoseconds>(micros) * kNanosPerMicro;
      return true;
    }
    case NFULA_PAYLOAD:
      packet_.payload = value;
      return true;
    case NFULA_SEQ:
      if (value.size() < sizeof(uint32_t)) {
        return false;
      }
      packet_.sequence = LoadBe<uint32_t>(value.data());
      packet_.has_sequence = true;
      return true;
    default:
      return true;
  }
}

}  // namespace pcap_zmq
