// SPDX-License-Identifier: MIT
#include "base/link_type.h"

#include "base/byte_io.h"

namespace pcap_zmq {
namespace {

constexpr uint16_t kEtherTypeIpv4 = 0x0800;
constexpr uint16_t kEtherTypeIpv6 = 0x86dd;

// A version nibble that contradicts the link layer means that the bytes are not what they claim.
bool HasIpVersion(const uint8_t* data, size_t offset, size_t length, uint8_t version) {
  return offset < length && data[offset] >> 4 == version;
}

std::optional<size_t> FromEtherType(const uint8_t* frame, size_t length, size_t type_at,
                                    size_t payload_at) {
  while (true) {
    if (type_at + 2 > length) {
      return std::nullopt;
    }
    const uint16_t type = LoadBe<uint16_t>(frame + type_at);
    if (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
      // A VLAN tag: two bytes of tag control, then the next type.
      type_at = payload_at + 2;
      payload_at += 4;
      continue;
    }
    const uint8_t version = type == kEtherTypeIpv4 ? 4 : type == kEtherTypeIpv6 ? 6 : 0;
    if (version == 0 || !HasIpVersion(frame, payload_at, length, version)) {
      return std::nullopt;
    }
    return payload_at;
  }
}

// The family's value differs between the systems that wrote the capture; its byte order too for
// LINKTYPE_NULL.  The version nibble settles both.
std::optional<size_t> FromFamily(const uint8_t* frame, size_t length) {
  constexpr size_t kHeader = 4;
  if (length <= kHeader) {
    return std::nullopt;
  }
  uint32_t family = LoadBe<uint32_t>(frame);
  if (family > 0xffff) {
    family = ByteSwap(family);
  }
  const bool v4 = family == 2;
  const bool v6 = family == 10 || family == 24 || family == 28 || family == 30;
  if ((v4 && HasIpVersion(frame, kHeader, length, 4)) ||
      (v6 && HasIpVersion(frame, kHeader, length, 6))) {
    return kHeader;
  }
  return std::nullopt;
}

}  // namespace

std::optional<size_t> IpOffset(LinkType link_type, const uint8_t* frame, size_t length) {
  switch (link_type) {
    case LinkType::kRaw:
      if (HasIpVersion(frame, 0, length, 4) || HasIpVersion(frame, 0, length, 6)) {
        return 0;
      }
      return std::nullopt;
    case LinkType::kIpv4:
      return HasIpVersion(frame, 0, length, 4) ? std::optional<size_t>(0) : std::nullopt;
    case LinkType::kIpv6:
      return HasIpVersion(frame, 0, length, 6) ? std::optional<size_t>(0) : std::nullopt;
    case LinkType::kEthernet:
      return FromEtherType(frame, length, 12, 14);
    case LinkType::kLinuxSll:
      return FromEtherType(frame, length, 14, 16);
    case LinkType::kLinuxSll2:
      return FromEtherType(frame, length, 0, 20);
    case LinkType::kNull:
    case LinkType::kLoop:
      return FromFamily(frame, length);
  }
  return std::nullopt;
}

bool CanCutToIp(LinkType link_type) {
  switch (link_type) {
    case LinkType::kNull:
    case LinkType::kEthernet:
    case LinkType::kRaw:
    case LinkType::kLoop:
    case LinkType::kLinuxSll:
    case LinkType::kIpv4:
    case LinkType::kIpv6:
    case LinkType::kLinuxSll2:
      return true;
  }
  return false;
}

}  // namespace pcap_zmq
