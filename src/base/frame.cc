// SPDX-License-Identifier: MIT
#include "base/frame.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace pcap_zmq {
namespace {

// What a pool keeps of buffers that came back.  A burst or a reader that hangs may have needed many
// times that, which nobody would count any more.
constexpr size_t kSpareBytes = size_t{8} << 20;

}  // namespace

Frame HeapFrame(size_t size) {
  auto* bytes = new uint8_t[size];
  return {bytes, size, [](void* owner) { delete[] static_cast<uint8_t*>(owner); }, bytes};
}

// What outlives the pool as long as one of its frames is out: the stack onto which any thread
// pushes and from which the pool takes everything at once, which leaves no room for ABA.
struct FramePool::Shared {
  explicit Shared(size_t bytes)
      : block_bytes(bytes), most_spare(std::max<size_t>(1, kSpareBytes / bytes)) {}
  ~Shared() { FreeAll(returned.load(std::memory_order_acquire)); }
  static void FreeAll(Block* block);

  const size_t block_bytes;
  const size_t most_spare;
  std::atomic<Block*> returned{nullptr};
  std::atomic<size_t> returned_count{0};  // about as many are there
};

// Header of every buffer; the frame's bytes follow it.
struct alignas(std::max_align_t) FramePool::Block {
  Block* next = nullptr;
  std::shared_ptr<Shared> home;  // empty while the block waits in the pool
  bool pooled = false;

  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(this + 1); }

  static Block* Make(size_t bytes, bool pooled) {
    void* memory = std::malloc(sizeof(Block) + bytes);
    if (memory == nullptr) {
      std::abort();  // out of memory: nothing sensible is left to do
    }
    auto* block = new (memory) Block;
    block->pooled = pooled;
    return block;
  }
  static void Free(Block* block) {
    block->~Block();
    std::free(block);
  }
};

void FramePool::Shared::FreeAll(Block* block) {
  while (block != nullptr) {
    Block* next = block->next;
    Block::Free(block);
    block = next;
  }
}

FramePool::FramePool(size_t block_bytes) : shared_(std::make_shared<Shared>(block_bytes)) {}

FramePool::~FramePool() {
  Shared::FreeAll(ready_);
}

Frame FramePool::Allocate(size_t size) {
  if (size > shared_->block_bytes) {
    Block* block = Block::Make(size, false);
    return {block->bytes(), size, &ReleaseBlock, block};
  }
  if (ready_ == nullptr) {
    ready_ = shared_->returned.exchange(nullptr, std::memory_order_acquire);
    shared_->returned_count.store(0, std::memory_order_relaxed);
  }
  Block* block = ready_;
  if (block != nullptr) {
    ready_ = block->next;
    block->next = nullptr;
  } else {
    block = Block::Make(shared_->block_bytes, true);
  }
  block->home = shared_;
  return {block->bytes(), size, &ReleaseBlock, block, shared_->block_bytes};
}

void FramePool::ReleaseBlock(void* owner) {
  auto* block = static_cast<Block*>(owner);
  if (!block->pooled) {
    Block::Free(block);
    return;
  }
  // Holding `home` here keeps the stack alive until the push is done, also after the pool's end.
  const std::shared_ptr<Shared> home = std::move(block->home);
  if (home->returned_count.fetch_add(1, std::memory_order_relaxed) >= home->most_spare) {
    home->returned_count.fetch_sub(1, std::memory_order_relaxed);
    Block::Free(block);
    return;
  }
  Block* head = home->returned.load(std::memory_order_relaxed);
  do {
    block->next = head;
  } while (!home->returned.compare_exchange_weak(head, block, std::memory_order_release,
                                                 std::memory_order_relaxed));
}

}  // namespace pcap_zmq
