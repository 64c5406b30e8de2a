// SPDX-License-Identifier: MIT
#include "sink/kept_block.h"

#include <memory>
#include <utility>

#include "sink/pcap_format.h"

namespace pcap_zmq {

BlockKeeper::BlockKeeper(MemoryBudget* budget)
    : budget_(budget), pool_(sizeof(Kept) + kSharedOverhead) {}

RecordBlockPtr BlockKeeper::Keep(RecordBlockPtr block) {
  block = Compact(std::move(block));
  MemoryShare share(budget_, MemoryBudget::Holder::kQueues, HeldBytes(*block));
  auto kept = std::allocate_shared<Kept>(PoolAllocator<Kept>(&pool_));
  kept->block = std::move(block);
  kept->share = std::move(share);
  const RecordBlock* const records = kept->block.get();
  return {std::move(kept), records};
}

}  // namespace pcap_zmq
