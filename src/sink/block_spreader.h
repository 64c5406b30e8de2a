// SPDX-License-Identifier: MIT
//
// Several outputs that share the traffic: each flow goes to one of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/flow_router.h"
#include "base/frame.h"
#include "base/ip_header.h"
#include "base/record_block.h"

namespace pcap_zmq {

/// Divides blocks among sinks by flow, both directions of one together.
///
/// The packets of a flow keep their order and their timestamps.  By kFlow, fragments of a datagram
/// stay together, but not with the flow's other packets, as they are not told apart by ports; by
/// kAddresses they do.
/// Threads: not thread-safe; belongs to the thread that delivers.  Blocks that it makes may outlive
///          it and be let go of by any thread.
class BlockSpreader {
 public:
  /// `labels` name the sinks: the same ones always get the same flows.
  /// Shape:   1 to 65,536 labels, all different.
  explicit BlockSpreader(const std::vector<std::string>& labels, SpreadBy by = SpreadBy::kFlow);

  /// The parts of `block`, one for each label in their order: null where there is nothing for a
  /// sink, `block` itself where one sink gets all of it.
  /// Owns:    valid until the next call; the caller may move the parts out.
  std::span<RecordBlockPtr> Spread(RecordBlockPtr block);

 private:
  // What one sink gets of the block at hand.
  struct Share {
    size_t bytes = 0;
    uint32_t packets = 0;
    Nanoseconds oldest_timestamp = 0;
    uint8_t* end = nullptr;  // of what was copied so far
  };

  // Decides for each packet; the number of sinks that get any.
  size_t Route(const RecordBlock& block);
  // Makes a block with room for what `share` says.
  RecordBlockPtr MakePart(const RecordBlock& block, Share* share);
  void CopyRecords(const RecordBlock& block);
  Frame Allocate(size_t bytes);

  const FlowRouter router_;
  const SpreadBy by_;
  std::vector<Share> shares_;
  std::vector<uint16_t> routes_;  // of the packets of the block at hand
  std::vector<RecordBlockPtr> parts_;
  // Of doubling sizes: a part waits in memory of about its own size, whatever block it comes from.
  std::deque<FramePool> pools_;
  FramePool block_pool_;  // the blocks themselves
};

}  // namespace pcap_zmq
