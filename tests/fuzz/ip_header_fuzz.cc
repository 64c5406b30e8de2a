// SPDX-License-Identifier: MIT
//
// Any bytes as a captured frame, cut down to IP and hashed by flow.
//
// Input: a byte that picks the link type, then the frame.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/byte_io.h"
#include "base/ip_header.h"
#include "base/link_type.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

using pcap_zmq::LinkType;
using pcap_zmq::testing::Require;

constexpr std::array<LinkType, 8> kLinkTypes = {
    LinkType::kNull,     LinkType::kEthernet, LinkType::kRaw,  LinkType::kLoop,
    LinkType::kLinuxSll, LinkType::kIpv4,     LinkType::kIpv6, LinkType::kLinuxSll2};

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

// The packet as the other end would send it back; empty where finding the ports is work of its own.
std::vector<uint8_t> Reversed(std::span<const uint8_t> ip) {
  std::vector<uint8_t> back(ip.begin(), ip.end());
  const bool v4 = ip[0] >> 4 == 4;
  const size_t addresses = v4 ? 12 : 8;
  const size_t length = v4 ? 4 : 16;
  if (ip.size() < addresses + 2 * length) {
    return {};
  }
  const auto at = [&](size_t i) { return back.begin() + static_cast<std::ptrdiff_t>(i); };
  std::swap_ranges(at(addresses), at(addresses + length), at(addresses + length));
  const uint8_t protocol = v4 ? ip[9] : ip[6];
  const bool fragment = v4 && (pcap_zmq::LoadBe<uint16_t>(&ip[6]) & 0x3fff) != 0;
  if (protocol != kTcp && protocol != kUdp) {
    return {};
  }
  const size_t header = v4 ? size_t{ip[0] & 0x0fU} * 4 : 40;
  if (!fragment && header >= 20 && ip.size() >= header + 4) {
    std::swap_ranges(at(header), at(header + 2), at(header + 2));
  }
  return back;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const LinkType link_type = kLinkTypes[data[0] % kLinkTypes.size()];
  // In a block of its own, so that the sanitizer sees a read outside of it.
  const size_t length = size - 1;
  const auto frame = std::make_unique<uint8_t[]>(length);
  std::copy_n(data + 1, length, frame.get());
  const auto offset = pcap_zmq::IpOffset(link_type, frame.get(), length);
  if (!offset.has_value()) {
    return 0;
  }
  Require(*offset < length, "the IP header begins in the frame");
  const std::span<const uint8_t> ip(frame.get() + *offset, length - *offset);
  Require(ip[0] >> 4 == 4 || ip[0] >> 4 == 6, "what is found is IP");
  Require(pcap_zmq::IpOffset(LinkType::kRaw, ip.data(), ip.size()) == size_t{0}, "cut once is cut");
  Require(pcap_zmq::OriginalLength(ip.data(), ip.size()) >= ip.size(), "no byte came by itself");
  const uint32_t unpadded = pcap_zmq::LengthWithoutPadding(ip.data(), ip.size(), ip.size());
  Require(unpadded > 0 && unpadded <= ip.size(), "padding is only what is there");
  Require(pcap_zmq::LengthWithoutPadding(ip.data(), unpadded, unpadded) == unpadded,
          "what has lost its padding has none");
  const uint64_t hash = pcap_zmq::SymmetricFlowHash(ip.data(), ip.size());
  const auto back = Reversed(ip);
  if (!back.empty()) {
    Require(pcap_zmq::SymmetricFlowHash(back.data(), back.size()) == hash,
            "both directions of a flow hash alike");
  }
  return 0;
}
