// SPDX-License-Identifier: MIT
//
// Link types and the cut from a link-layer frame down to the IP packet in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace pcap_zmq {

/// LINKTYPE_ values as they stand in capture files (tcpdump.org/linktypes.html).
enum class LinkType : uint32_t {
  kNull = 0,         ///< 4-byte address family in the capturing host's byte order
  kEthernet = 1,     ///< Ethernet, with any number of VLAN tags
  kRaw = 101,        ///< IPv4 or IPv6 without a link layer: what the pipe carries
  kLoop = 108,       ///< 4-byte address family in network byte order
  kLinuxSll = 113,   ///< "cooked" capture, 16-byte header
  kIpv4 = 228,       ///< raw IPv4
  kIpv6 = 229,       ///< raw IPv6
  kLinuxSll2 = 276,  ///< "cooked" capture, 20-byte header
};

/// Bytes between the start of the frame and its IP header.
/// Shape:   `frame` may be cut anywhere.
/// Errors:  nullopt when the link type is unknown or the frame carries no IPv4 or IPv6 packet with
///          at least one byte captured; the caller counts it as dropped{reason="linktype"}.
/// Source:  tcpdump.org/linktypes.html; IEEE 802.1Q and 802.1ad tags (8100, 88a8, 9100).
std::optional<size_t> IpOffset(LinkType link_type, const uint8_t* frame, size_t length);

/// True for the link types that IpOffset() understands.
bool CanCutToIp(LinkType link_type);

}  // namespace pcap_zmq
