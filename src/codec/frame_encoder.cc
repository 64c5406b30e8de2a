// SPDX-License-Identifier: MIT
#include "codec/frame_encoder.h"

#include <algorithm>
#include <cstring>

#include "base/byte_io.h"

namespace pcap_zmq {

void FrameEncoder::Start(size_t first_record_bytes) {
  current_ = pool_->Allocate(kFrameHeaderBytes + std::max(kPlainFrameTarget, first_record_bytes));
}

void FrameEncoder::Append(const Packet& packet) {
  const size_t record_bytes = kRecordHeaderBytes + packet.captured_length;
  if (packet_count_ == 0) {
    if (current_.size() < kFrameHeaderBytes + record_bytes) {
      Start(record_bytes);
    }
    oldest_timestamp_ = packet.timestamp;
  }
  const Nanoseconds timestamp = std::max<Nanoseconds>(packet.timestamp, 0);
  uint8_t* record = current_.data() + kFrameHeaderBytes + raw_bytes_;
  StoreLe<uint32_t>(record, static_cast<uint32_t>(timestamp / kNanosPerSecond));
  StoreLe<uint32_t>(record + 4, static_cast<uint32_t>(timestamp % kNanosPerSecond));
  StoreLe<uint32_t>(record + 8, packet.captured_length);
  StoreLe<uint32_t>(record + 12, std::max(packet.original_length, packet.captured_length));
  if (packet.captured_length > 0) {  // an empty packet's `data` may be null
    std::memcpy(record + kRecordHeaderBytes, packet.data, packet.captured_length);
  }
  raw_bytes_ += record_bytes;
  ++packet_count_;
}

FrameHeader FrameEncoder::Header() const {
  FrameHeader header;
  header.packet_count = packet_count_;
  header.stream_id = stream_id_;
  header.sequence = sequence_;
  header.first_ordinal = next_ordinal_;
  header.raw_length = static_cast<uint32_t>(raw_bytes_);
  return header;
}

void FrameEncoder::Reset() {
  packet_count_ = 0;
  raw_bytes_ = 0;
}

Frame FrameEncoder::TakePlain() {
  Frame frame = std::move(current_);
  frame.Truncate(kFrameHeaderBytes + raw_bytes_);
  frame.set_packet_count(packet_count_);
  WriteFrameHeader(Header(), frame.data());
  Reset();
  return frame;
}

Frame FrameEncoder::TakePacked(Compressor* compressor) {
  Frame frame = pool_->Allocate(kFrameHeaderBytes + raw_bytes_);
  const std::span<const uint8_t> raw(current_.data() + kFrameHeaderBytes, raw_bytes_);
  const std::span<uint8_t> room(frame.data() + kFrameHeaderBytes, raw_bytes_ - 1);
  const size_t packed = compressor->Compress(raw, room);
  if (packed == 0) {
    return TakePlain();
  }
  FrameHeader header = Header();
  header.codec = compressor->codec();
  WriteFrameHeader(header, frame.data());
  frame.Truncate(kFrameHeaderBytes + packed);
  frame.set_packet_count(packet_count_);
  Reset();
  return frame;
}

Frame FrameEncoder::MakeControl(std::string_view json, bool last) const {
  Frame frame = pool_->Allocate(kFrameHeaderBytes + json.size());
  FrameHeader header;
  header.control = true;
  header.last = last;
  header.stream_id = stream_id_;
  header.sequence = sequence_;
  header.first_ordinal = next_ordinal_;
  header.raw_length = static_cast<uint32_t>(json.size());
  WriteFrameHeader(header, frame.data());
  std::memcpy(frame.data() + kFrameHeaderBytes, json.data(), json.size());
  return frame;
}

}  // namespace pcap_zmq
