// SPDX-License-Identifier: MIT
//
// Wire messages into validated packets.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/frame.h"
#include "base/record_block.h"
#include "base/sender_key.h"
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

  /// Decodes one message, handing its packets to `take`: nothing for control frames and refused
  /// ones.  A large message of 2012 comes in many blocks, each of which is made when the one before
  /// was taken.  `sender_key` is its sender's, where senders have keys.
  /// Owns:    takes `message`; a plain frame's block keeps it, without a copy.
  /// Errors:  none; damage is counted in the stats, and packets lost by it in the sender table.
  void Decode(Frame message, const BlockTaker& take, const SenderKey& sender_key = {});
  /// As above, appending the packets to `out`.
  void Decode(Frame message, std::vector<RecordBlockPtr>* out, const SenderKey& sender_key = {}) {
    Decode(std::move(message), AppendTo(out), sender_key);
  }

 private:
  void DecodeLegacy(const Frame& message, const BlockTaker& take, const SenderKey& sender_key);
  void DecodeControl(const FrameHeader& header, const Frame& message, const SenderKey& sender_key);
  void DecodeData(const FrameHeader& header, Frame message, const BlockTaker& take,
                  const SenderKey& sender_key);
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
