// SPDX-License-Identifier: MIT
//
// NFLOG datagrams made by hand, as the kernel would send them.
#pragma once

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <span>

#include "base/byte_io.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {

/// What one NFULNL_MSG_PACKET says; what is left out is not in the message.
struct LoggedPacket {
  uint8_t family = 2;
  uint16_t group = 0;
  uint8_t hook = 1;
  std::optional<uint16_t> hw_protocol = 0x0800;
  std::optional<std::pair<uint64_t, uint64_t>> timestamp = {};  // seconds, microseconds
  std::optional<uint32_t> sequence = {};
  std::optional<Bytes> payload = {};
};

inline void Pad4(Bytes* bytes) {
  bytes->resize((bytes->size() + 3) / 4 * 4);
}

inline void AppendNative32(Bytes* bytes, uint32_t value) {
  const auto* raw = reinterpret_cast<const uint8_t*>(&value);
  bytes->insert(bytes->end(), raw, raw + sizeof value);
}

inline void AppendNative16(Bytes* bytes, uint16_t value) {
  const auto* raw = reinterpret_cast<const uint8_t*>(&value);
  bytes->insert(bytes->end(), raw, raw + sizeof value);
}

template <typename T>
Bytes BigEndian(T value) {
  Bytes bytes(sizeof value);
  StoreBe<T>(bytes.data(), value);
  return bytes;
}

inline void AppendAttribute(Bytes* body, uint16_t type, std::span<const uint8_t> value) {
  AppendNative16(body, static_cast<uint16_t>(4 + value.size()));
  AppendNative16(body, type);
  body->insert(body->end(), value.begin(), value.end());
  Pad4(body);
}

/// Appends a netlink message of `type`.
inline void AppendMessage(Bytes* datagram, uint16_t type, uint32_t sequence, const Bytes& body) {
  AppendNative32(datagram, static_cast<uint32_t>(16 + body.size()));
  AppendNative16(datagram, type);
  AppendNative16(datagram, 0);
  AppendNative32(datagram, sequence);
  AppendNative32(datagram, 0);
  datagram->insert(datagram->end(), body.begin(), body.end());
  Pad4(datagram);
}

inline void AppendPacket(Bytes* datagram, const LoggedPacket& packet) {
  Bytes body = {packet.family, 0};
  const Bytes group = BigEndian<uint16_t>(packet.group);
  body.insert(body.end(), group.begin(), group.end());
  if (packet.hw_protocol.has_value()) {
    Bytes header = BigEndian<uint16_t>(*packet.hw_protocol);
    header.push_back(packet.hook);
    header.push_back(0);
    AppendAttribute(&body, NFULA_PACKET_HDR, header);
  }
  if (packet.payload.has_value()) {
    AppendAttribute(&body, NFULA_PAYLOAD, *packet.payload);
  }
  if (packet.timestamp.has_value()) {
    Bytes stamp = BigEndian<uint64_t>(packet.timestamp->first);
    const Bytes micros = BigEndian<uint64_t>(packet.timestamp->second);
    stamp.insert(stamp.end(), micros.begin(), micros.end());
    AppendAttribute(&body, NFULA_TIMESTAMP, stamp);
  }
  if (packet.sequence.has_value()) {
    AppendAttribute(&body, NFULA_SEQ, BigEndian<uint32_t>(*packet.sequence));
  }
  AppendMessage(datagram, (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET, 0, body);
}

/// The message that closes a kernel batch.
inline void AppendDone(Bytes* datagram) {
  AppendMessage(datagram, NLMSG_DONE, 0, Bytes(4));
}

/// The kernel's answer to request `sequence`: `error` is an errno value, 0 the acknowledgement.
inline void AppendReply(Bytes* datagram, uint32_t sequence, int error) {
  Bytes body;
  AppendNative32(&body, static_cast<uint32_t>(-error));
  body.resize(body.size() + 16);  // the request's header
  AppendMessage(datagram, NLMSG_ERROR, sequence, body);
}

}  // namespace pcap_zmq::testing
