// SPDX-License-Identifier: MIT
//
// IP packets and capture records made by hand.  Checksums are left zero: nothing in the pipe reads
// them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_io.h"
#include "base/clock.h"
#include "base/record_block.h"

namespace pcap_zmq::testing {

using Bytes = std::vector<uint8_t>;

inline constexpr uint8_t kTcp = 6;
inline constexpr uint8_t kUdp = 17;

struct Ports {
  uint16_t source = 40000;
  uint16_t destination = 80;
};

inline void AppendTransport(Bytes* packet, uint8_t protocol, Ports ports, std::string_view body) {
  const size_t header = protocol == kTcp ? 20 : 8;
  const size_t at = packet->size();
  packet->resize(at + header);
  uint8_t* transport = packet->data() + at;
  StoreBe<uint16_t>(transport, ports.source);
  StoreBe<uint16_t>(transport + 2, ports.destination);
  if (protocol == kTcp) {
    transport[12] = 5 << 4;
  } else {
    StoreBe<uint16_t>(transport + 4, static_cast<uint16_t>(header + body.size()));
  }
  packet->insert(packet->end(), body.begin(), body.end());
}

/// An IPv4 packet of `protocol` (kTcp or kUdp) from address `source` to `destination`.
inline Bytes Ipv4Packet(std::string_view body, uint32_t source = 0x0a000001,
                        uint32_t destination = 0x0a000002, Ports ports = {},
                        uint8_t protocol = kUdp) {
  Bytes packet(20);
  packet[0] = 0x45;
  packet[8] = 64;
  packet[9] = protocol;
  StoreBe<uint32_t>(packet.data() + 12, source);
  StoreBe<uint32_t>(packet.data() + 16, destination);
  AppendTransport(&packet, protocol, ports, body);
  StoreBe<uint16_t>(packet.data() + 2, static_cast<uint16_t>(packet.size()));
  return packet;
}

/// An IPv6 packet; the addresses' last eight bytes are `source` and `destination`.
inline Bytes Ipv6Packet(std::string_view body, uint64_t source = 1, uint64_t destination = 2,
                        Ports ports = {}, uint8_t protocol = kUdp) {
  Bytes packet(40);
  packet[0] = 0x60;
  packet[6] = protocol;
  packet[7] = 64;
  StoreBe<uint32_t>(packet.data() + 8, 0x20010db8);
  StoreBe<uint64_t>(packet.data() + 16, source);
  StoreBe<uint32_t>(packet.data() + 24, 0x20010db8);
  StoreBe<uint64_t>(packet.data() + 32, destination);
  AppendTransport(&packet, protocol, ports, body);
  StoreBe<uint16_t>(packet.data() + 4, static_cast<uint16_t>(packet.size() - 40));
  return packet;
}

/// Appends one record of a little-endian nanosecond capture to `records`.
inline void AppendRecord(Bytes* records, const Bytes& packet, Nanoseconds timestamp,
                         uint32_t original_length = 0) {
  const size_t at = records->size();
  records->resize(at + kRecordHeaderBytes);
  uint8_t* header = records->data() + at;
  StoreLe<uint32_t>(header, static_cast<uint32_t>(timestamp / kNanosPerSecond));
  StoreLe<uint32_t>(header + 4, static_cast<uint32_t>(timestamp % kNanosPerSecond));
  StoreLe<uint32_t>(header + 8, static_cast<uint32_t>(packet.size()));
  StoreLe<uint32_t>(header + 12,
                    original_length == 0 ? static_cast<uint32_t>(packet.size()) : original_length);
  records->insert(records->end(), packet.begin(), packet.end());
}

}  // namespace pcap_zmq::testing
