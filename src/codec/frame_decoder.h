// SPDX-License-Identifier: MIT
//
// Wire messages into validated packets.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/frame.h"
#include "base/record_block.h"
#include "base/stats.h"
#include "codec/compression.h"
#include "codec/frame_format.h"
#include "codec/legacy_decoder.h"
#include "codec/sender_table.h"

namespace pcap_zmq {

/// Decodes frames of every codec and the messages of the 2012 sender, whatever comes next.
/// Threads: not thread-safe; belongs to the receiving thread.
class FrameDecoder {
 public:
  /// `senders` and `stats` outlive the decoder; blocks that it makes may outlive it.
  FrameDecoder(SenderTable* senders, ReceiverStats* stats);

  /// Decodes one message, appending its packets to `out`: nothing for control frames and refused
  /// ones.  `key_name` is the name under which its sender's key is authorized; empty without keys.
  /// Owns:    takes `message`; a plain frame's block keeps it, without a copy.
  /// Errors:  none; damage is counted in the stats, and packets lost by it in the sender table.
  void Decode(Frame message, std::vector<RecordBlockPtr>* out, std::string_view key_name = {});

 private:
  void DecodeLegacy(const Frame& message, std::vector<RecordBlockPtr>* out,
                    std::string_view key_name);
  void DecodeControl(const FrameHeader& header, const Frame& message, std::string_view key_name);
  void DecodeData(const FrameHeader& header, Frame message, std::vector<RecordBlockPtr>* out,
                  std::string_view key_name);
  bool Unpack(const FrameHeader& header, const Frame& message, Frame* unpacked);
  void Reject(RejectReason reason) { stats_->rejected_frames.Add(reason); }

  SenderTable* const senders_;
  ReceiverStats* const stats_;
  FramePool pool_;        // unpacked payloads
  FramePool block_pool_;  // the blocks themselves
  const std::unique_ptr<Decompressor> zlib_;
  const std::unique_ptr<Decompressor> zstd_;
  LegacyDecoder legacy_;
};

}  // namespace pcap_zmq
