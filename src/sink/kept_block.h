// SPDX-License-Identifier: MIT
//
// A block that waits for outputs, and counts as memory while any of them has it.
#pragma once

#include "base/frame.h"
#include "base/memory_budget.h"
#include "base/pool_allocator.h"
#include "base/record_block.h"

namespace pcap_zmq {

/// Makes blocks count in a budget.
/// Threads: Keep() from one thread; what it returns may be let go in any.
class BlockKeeper {
 public:
  /// `budget` outlives every block that was kept.
  explicit BlockKeeper(MemoryBudget* budget);

  /// `block`, compacted, counting among what waits in queues until its last owner lets go of it.
  RecordBlockPtr Keep(RecordBlockPtr block);

 private:
  struct Kept {
    RecordBlockPtr block;
    MemoryShare share;
  };

  MemoryBudget* const budget_;
  FramePool pool_;  // of Kept objects
};

}  // namespace pcap_zmq
