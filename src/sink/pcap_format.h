// SPDX-License-Identifier: MIT
//
// The capture format that every sink writes, and what it takes to bring foreign link types into it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/link_type.h"
#include "base/record_block.h"

namespace pcap_zmq {

inline constexpr size_t kFileHeaderBytes = 24;
using FileHeaderBytes = std::array<uint8_t, kFileHeaderBytes>;

/// The start of a little-endian capture file with nanosecond timestamps, version 2.4.
/// Source:  tcpdump.org/manpages/pcap-savefile.5; the snapshot length is the largest that libpcap
///          accepts, so that no reader cuts a record.
FileHeaderBytes FileHeader(LinkType link_type);

/// A point between two records, and the records before it.
struct RecordBoundary {
  size_t bytes = 0;
  uint32_t packets = 0;
};

/// The last boundary at or before `limit` bytes into `records`.
/// Shape:   `records` is a chain of whole records (RecordBlock::records).
RecordBoundary LastBoundary(std::span<const uint8_t> records, uint64_t limit);

/// `block`, or a copy of its own size where it would hold a far larger buffer in memory for as long
/// as it is kept.
RecordBlockPtr Compact(RecordBlockPtr block);

/// Bytes of memory that `block` takes while it is kept.
size_t HeldBytes(const RecordBlock& block);

/// Blocks with fewer bytes than this are worth gathering before they are kept.
inline constexpr size_t kSmallBlockBytes = size_t{4} * 1024;

/// Brings blocks into the link type of one capture.
/// Threads: immutable.
class LinkConverter {
 public:
  /// `target` is kRaw or kEthernet.
  explicit LinkConverter(LinkType target) : target_(target) {}

  /// `block` itself when its link type is the capture's, which costs nothing a packet; else a
  /// converted copy.  Adds the packets without an IP header to `dropped`; the result may be empty.
  RecordBlockPtr Convert(RecordBlockPtr block, uint64_t* dropped) const;

 private:
  LinkType target_;
};

}  // namespace pcap_zmq
