// SPDX-License-Identifier: MIT
#include "codec/frame_format.h"

#include "base/byte_io.h"
#include "base/record_block.h"

namespace pcap_zmq {
namespace {

constexpr uint16_t kFlagControl = 1;
constexpr uint16_t kFlagLast = 2;

// Far above what a stream can count in a lifetime, far below where sums would wrap.
constexpr uint64_t kMaxOrdinal = uint64_t{1} << 62;

bool IsConsistent(const FrameHeader& header, size_t payload) {
  if (header.first_ordinal > kMaxOrdinal) {
    return false;
  }
  if (header.codec == Codec::kPlain && header.raw_length != payload) {
    return false;
  }
  if (header.control) {
    return header.packet_count == 0 && header.codec == Codec::kPlain &&
           header.raw_length <= kMaxControlBytes;
  }
  return header.packet_count >= 1 && header.raw_length <= kMaxFrameRawBytes &&
         header.packet_count <= header.raw_length / kRecordHeaderBytes &&
         CanCutToIp(header.link_type);
}

}  // namespace

void WriteFrameHeader(const FrameHeader& header, uint8_t* to) {
  StoreLe<uint32_t>(to, kFrameMagic);
  to[4] = kFrameVersion;
  to[5] = static_cast<uint8_t>(header.codec);
  StoreLe<uint16_t>(to + 6, static_cast<uint16_t>((header.control ? kFlagControl : 0) |
                                                  (header.last ? kFlagLast : 0)));
  StoreLe<uint32_t>(to + 8, static_cast<uint32_t>(header.link_type));
  StoreLe<uint32_t>(to + 12, header.packet_count);
  StoreLe<uint64_t>(to + 16, header.stream_id);
  StoreLe<uint64_t>(to + 24, header.sequence);
  StoreLe<uint64_t>(to + 32, header.first_ordinal);
  StoreLe<uint32_t>(to + 40, header.raw_length);
  StoreLe<uint32_t>(to + 44, 0);
}

std::optional<FrameHeader> ParseFrameHeader(std::span<const uint8_t> frame, RejectReason* reason) {
  if (frame.size() < 4) {
    *reason = RejectReason::kTooShort;
    return std::nullopt;
  }
  const uint8_t* from = frame.data();
  if (LoadLe<uint32_t>(from) != kFrameMagic) {
    *reason = RejectReason::kMagic;
    return std::nullopt;
  }
  if (frame.size() < kFrameHeaderBytes) {
    *reason = RejectReason::kTooShort;
    return std::nullopt;
  }
  if (from[4] != kFrameVersion) {
    *reason = RejectReason::kVersion;
    return std::nullopt;
  }
  if (from[5] > static_cast<uint8_t>(Codec::kZstd)) {
    *reason = RejectReason::kCodec;
    return std::nullopt;
  }
  FrameHeader header;
  const uint16_t flags = LoadLe<uint16_t>(from + 6);
  header.codec = static_cast<Codec>(from[5]);
  header.control = (flags & kFlagControl) != 0;
  header.last = (flags & kFlagLast) != 0;
  header.link_type = static_cast<LinkType>(LoadLe<uint32_t>(from + 8));
  header.packet_count = LoadLe<uint32_t>(from + 12);
  header.stream_id = LoadLe<uint64_t>(from + 16);
  header.sequence = LoadLe<uint64_t>(from + 24);
  header.first_ordinal = LoadLe<uint64_t>(from + 32);
  header.raw_length = LoadLe<uint32_t>(from + 40);
  const bool reserved_clear =
      (flags & ~(kFlagControl | kFlagLast)) == 0 && LoadLe<uint32_t>(from + 44) == 0;
  if (!reserved_clear || !IsConsistent(header, frame.size() - kFrameHeaderBytes)) {
    *reason = RejectReason::kHeader;
    return std::nullopt;
  }
  return header;
}

}  // namespace pcap_zmq
