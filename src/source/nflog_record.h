// SPDX-License-Identifier: MIT
//
// The kernel's NFLOG datagrams taken apart: netlink messages, one after another, most of which hold
// one logged packet.  Pure and safe on any bytes; the sender's hot path, so nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.h"

namespace pcap_zmq {

/// One packet as the kernel logged it.
/// Owns:    nothing; `payload` points into the datagram.
struct NflogRecord {
  uint16_t group = 0;
  uint8_t family = 0;                ///< NFPROTO_* of the rule's table
  uint8_t hook = 0;                  ///< meaning depends on `family`
  uint16_t hw_protocol = 0;          ///< EtherType; 0 when the kernel did not say
  bool has_sequence = false;         ///< the group was bound with NFULNL_CFG_F_SEQ
  uint32_t sequence = 0;             ///< counts the group's packets from 0, wraps
  Nanoseconds timestamp = 0;         ///< 0 when the hook has none (OUTPUT, POSTROUTING)
  std::span<const uint8_t> payload;  ///< empty when the rule logs no bytes
};

/// Bytes between the start of the payload and the IP header in it.
/// Errors:  nullopt when the payload is empty or carries no IP packet.
/// Source:  the kernel's nf_tables and nfnetlink_log: what skb->data is at each family's hooks.
std::optional<size_t> NflogIpOffset(const NflogRecord& record);

/// What NflogDatagramReader::Next() came upon.
enum class NflogItem {
  kPacket,   ///< a logged packet, in packet()
  kReply,    ///< the kernel's answer to a request, in reply_sequence() and reply_error()
  kDamaged,  ///< a message that contradicts itself; what can be told apart after it still follows
  kEnd,      ///< nothing is left
};

/// Walks through one datagram.
/// Owns:    borrows the datagram for its whole life.
/// Errors:  none; damage is an item, and nothing outside the datagram is read whatever it holds.
class NflogDatagramReader {
 public:
  explicit NflogDatagramReader(std::span<const uint8_t> datagram) : rest_(datagram) {}

  /// Goes to the next item; messages that are neither packets nor replies are skipped.
  NflogItem Next();

  const NflogRecord& packet() const { return packet_; }
  /// The request's nlmsg_seq.
  uint32_t reply_sequence() const { return reply_sequence_; }
  /// An errno value; 0 is the acknowledgement.
  int reply_error() const { return reply_error_; }

 private:
  bool ParsePacket(std::span<const uint8_t> body);
  bool ParseAttribute(uint16_t type, std::span<const uint8_t> value);

  std::span<const uint8_t> rest_;
  NflogRecord packet_;
  uint32_t reply_sequence_ = 0;
  int reply_error_ = 0;
};

}  // namespace pcap_zmq
