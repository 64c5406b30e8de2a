// SPDX-License-Identifier: MIT
#include "sink/pcap_format.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/byte_io.h"
#include "base/ip_header.h"
#include "base/packet.h"

namespace pcap_zmq {
namespace {

constexpr uint32_t kMagicNanoseconds = 0xa1b23c4d;
constexpr size_t kEthernetHeaderBytes = 14;
// The block itself, its place in a queue, and what the allocator adds.
constexpr size_t kBlockOverhead = 256;

// Locally administered addresses that say that nobody ever used them on a wire.
constexpr std::array<uint8_t, 12> kSyntheticAddresses = {0x02, 0, 0, 0, 0, 0x02,
                                                         0x02, 0, 0, 0, 0, 0x01};

void WriteEthernetHeader(uint8_t* to, uint8_t version_nibble) {
  std::memcpy(to, kSyntheticAddresses.data(), kSyntheticAddresses.size());
  StoreBe<uint16_t>(to + kSyntheticAddresses.size(), version_nibble == 6 ? 0x86dd : 0x0800);
}

// Writes one converted record to `to`; returns its size, or 0 if it has no IP header.
size_t ConvertRecord(const uint8_t* from, LinkType from_type, LinkType to_type, uint8_t* to) {
  const uint32_t captured = LoadLe<uint32_t>(from + 8);
  const uint32_t original = LoadLe<uint32_t>(from + 12);
  const uint8_t* frame = from + kRecordHeaderBytes;
  const std::optional<size_t> cut = IpOffset(from_type, frame, captured);
  if (!cut.has_value()) {
    return 0;
  }
  const size_t header = to_type == LinkType::kEthernet ? kEthernetHeaderBytes : 0;
  const size_t whole = captured - *cut;
  uint64_t length = original - *cut;
  // Only a link layer pads.
  if (*cut > 0) {
    length = LengthWithoutPadding(frame + *cut, whole, length);
  }
  // A packet of the largest size loses its tail to the header: readers refuse a longer record.
  const size_t kept = std::min<size_t>({whole, length, kMaxCapturedLength - header});
  std::memcpy(to, from, 8);  // the timestamp
  StoreLe<uint32_t>(to + 8, static_cast<uint32_t>(header + kept));
  StoreLe<uint32_t>(to + 12,
                    static_cast<uint32_t>(std::min<uint64_t>(length + header, UINT32_MAX)));
  if (header != 0) {
    WriteEthernetHeader(to + kRecordHeaderBytes, frame[*cut] >> 4);
  }
  std::memcpy(to + kRecordHeaderBytes + header, frame + *cut, kept);
  return kRecordHeaderBytes + header + kept;
}

}  // namespace

FileHeaderBytes FileHeader(LinkType link_type) {
  FileHeaderBytes header{};
  StoreLe<uint32_t>(header.data(), kMagicNanoseconds);
  StoreLe<uint16_t>(header.data() + 4, 2);
  StoreLe<uint16_t>(header.data() + 6, 4);
  // Bytes 8 to 15, the time zone and the accuracy, are zero in every capture.
  StoreLe<uint32_t>(header.data() + 16, kMaxCapturedLength);
  StoreLe<uint32_t>(header.data() + 20, static_cast<uint32_t>(link_type));
  return header;
}

RecordBoundary LastBoundary(std::span<const uint8_t> records, uint64_t limit) {
  RecordBoundary boundary;
  while (boundary.bytes < records.size()) {
    const size_t next = boundary.bytes + RecordSize(records.data() + boundary.bytes);
    if (next > limit) {
      break;
    }
    boundary.bytes = next;
    ++boundary.packets;
  }
  return boundary;
}

RecordBlockPtr Compact(RecordBlockPtr block) {
  const size_t wasted =
      std::max(block->storage.capacity(), block->records.size()) - block->records.size();
  if (wasted <= std::max(block->records.size(), kSmallBlockBytes)) {
    return block;
  }
  auto copy = std::make_shared<RecordBlock>();
  copy->storage = HeapFrame(block->records.size());
  std::memcpy(copy->storage.data(), block->records.data(), block->records.size());
  copy->records = copy->storage.bytes();
  copy->packet_count = block->packet_count;
  copy->link_type = block->link_type;
  copy->oldest_timestamp = block->oldest_timestamp;
  return copy;
}

size_t HeldBytes(const RecordBlock& block) {
  return block.storage.capacity() + kBlockOverhead;
}

RecordBlockPtr LinkConverter::Convert(RecordBlockPtr block, uint64_t* dropped) const {
  if (block->link_type == target_) {
    return block;
  }
  auto converted = std::make_shared<RecordBlock>();
  converted->link_type = target_;
  converted->storage =
      HeapFrame(block->records.size() + kEthernetHeaderBytes * size_t{block->packet_count});
  uint8_t* to = converted->storage.data();
  size_t used = 0;
  for (size_t at = 0; at < block->records.size();) {
    const uint8_t* record = block->records.data() + at;
    const size_t size = ConvertRecord(record, block->link_type, target_, to + used);
    if (size == 0) {
      ++*dropped;
    } else {
      used += size;
      ++converted->packet_count;
    }
    at += RecordSize(record);
  }
  converted->storage.Truncate(used);
  converted->records = converted->storage.bytes();
  if (used > 0) {
    converted->oldest_timestamp = RecordTimestamp(converted->records.data());
  }
  return converted;
}

}  // namespace pcap_zmq
