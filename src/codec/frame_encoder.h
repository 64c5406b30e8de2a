// SPDX-License-Identifier: MIT
//
// Packets into the frames of one stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/frame.h"
#include "base/packet.h"
#include "base/record_block.h"
#include "codec/compression.h"
#include "codec/frame_format.h"

namespace pcap_zmq {

/// Builds the frames of one stream.  A packet's bytes are copied once, into the frame that will be
/// sent; only packing copies them again.
///
/// Use: Append() while Fits(), take the frame, try to send it, and call Accepted() when ZeroMQ took
/// it.  Ordinals and sequence numbers advance in Accepted() alone, so a frame that was refused
/// leaves no gap. Threads: not thread-safe; belongs to one pump.
class FrameEncoder {
 public:
  /// `pool` outlives the encoder; its blocks hold kFrameHeaderBytes + kPlainFrameTarget.
  FrameEncoder(uint64_t stream_id, FramePool* pool) : stream_id_(stream_id), pool_(pool) {}

  /// Whether `packet` still fits the frame under construction, which is to be filled to `target`
  /// bytes (at most kPlainFrameTarget); always true when it is empty.
  bool Fits(const Packet& packet, size_t target = kFrameRawTarget) const {
    return packet_count_ == 0 || raw_bytes_ + kRecordHeaderBytes + packet.captured_length <= target;
  }
  /// Copies `packet` into the frame under construction.  Needs Fits() and a captured length of at
  /// most kMaxCapturedLength.
  void Append(const Packet& packet);

  uint32_t packet_count() const { return packet_count_; }
  size_t raw_bytes() const { return raw_bytes_; }
  /// Timestamp of the first packet under construction.
  Nanoseconds oldest_timestamp() const { return oldest_timestamp_; }

  /// The frame under construction as it is; needs packet_count() > 0 and leaves it empty.
  Frame TakePlain();
  /// The frame under construction, packed, or plain where packing would not make it smaller.
  Frame TakePacked(Compressor* compressor);

  /// A control frame with `json` as its payload (at most kMaxControlBytes).
  Frame MakeControl(std::string_view json, bool last) const;

  /// Advances ordinal and sequence past the frame taken last, which holds `packets`.
  void Accepted(uint32_t packets) {
    ++sequence_;
    next_ordinal_ += packets;
  }

  uint64_t stream_id() const { return stream_id_; }
  /// Packets in all accepted frames.
  uint64_t next_ordinal() const { return next_ordinal_; }

 private:
  void Start(size_t first_record_bytes);
  FrameHeader Header() const;
  void Reset();

  const uint64_t stream_id_;
  FramePool* const pool_;
  uint64_t sequence_ = 0;
  uint64_t next_ordinal_ = 0;

  Frame current_;  // header room, then raw_bytes_ of records
  uint32_t packet_count_ = 0;
  size_t raw_bytes_ = 0;
  Nanoseconds oldest_timestamp_ = 0;
};

}  // namespace pcap_zmq
