// SPDX-License-Identifier: MIT
//
// What the pipe reads from an IP header: the packet's length and the flow it belongs to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace pcap_zmq {

/// The packet's length as its IP header gives it, in bytes.
/// Shape:   `ip` holds `captured` >= 1 bytes from the IP header on.
/// Errors:  `captured` where the header is cut, gives no length (jumbogram, BIG TCP) or gives one
///          below what was captured.
/// Source:  RFC 791 total length; RFC 8200 payload length + 40.
uint32_t OriginalLength(const uint8_t* ip, size_t captured);

/// How many of the `available` bytes of a frame from the IP header on are the packet's own; what
/// follows them is padding that the frame needed.
/// Shape:   `ip` holds the first `captured` of them, at least 1.
/// Errors:  `available` where the header is cut, gives no length, less than itself or more than
///          there is.
/// Source:  as OriginalLength().
uint32_t LengthWithoutPadding(const uint8_t* ip, size_t captured, size_t available);

/// A hash of the packet's flow, the same for both directions.
///
/// Addresses, protocol and, where all of the flow's packets carry them, ports go in.  Fragments are
/// hashed by addresses alone, the first fragment too, so that the pieces of one datagram stay
/// together; the flow's unfragmented packets, which have ports, may go elsewhere.  A packet without
/// a readable IP header hashes to a constant.
/// Threads: pure.
/// Source:  TCP, UDP, UDP-Lite, DCCP and SCTP ports; IPv6 extension headers of RFC 8200 section 4.
uint64_t SymmetricFlowHash(const uint8_t* ip, size_t captured);

/// As above, of the two addresses alone: all that two hosts say to one another has one hash,
/// fragments and unfragmented packets too.
uint64_t AddressHash(const uint8_t* ip, size_t captured);

/// What must stay together where packets are spread.
enum class SpreadBy {
  kFlow,      ///< the packets of a flow, but for its fragments: SymmetricFlowHash()
  kAddresses  ///< the packets between two hosts: AddressHash()
};

/// A packet's hash for spreading.
inline uint64_t SpreadHash(SpreadBy by, const uint8_t* ip, size_t captured) {
  return by == SpreadBy::kFlow ? SymmetricFlowHash(ip, captured) : AddressHash(ip, captured);
}

/// A hash of the same flows as SymmetricFlowHash(), but drawn by lot: to whoever does not know the
/// seed each value of a flow is as likely as any other, and so is each difference to the value of
/// another flow, however the two are chosen.  SymmetricFlowHash() can be run backwards.
/// Threads: immutable.
/// Source:  Lemire and Kaser, Strongly universal string hashing is fast (2014), MULTILINEAR.
class SecretFlowHash {
 public:
  using Keys = std::array<uint64_t, 11>;

  explicit SecretFlowHash(uint64_t seed);

  uint32_t operator()(const uint8_t* ip, size_t captured) const;

 private:
  Keys keys_;
};

/// A well-mixed 64-bit value of a pair, for choosing among endpoints.
uint64_t MixHash(uint64_t a, uint64_t b);

}  // namespace pcap_zmq
