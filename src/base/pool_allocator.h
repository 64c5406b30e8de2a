// SPDX-License-Identifier: MIT
//
// Lets the standard library's shared objects live in a FramePool's buffers.
#pragma once

#include <cstddef>
#include <new>

#include "base/frame.h"

namespace pcap_zmq {

/// More than std::allocate_shared() and the allocator put next to an object.
inline constexpr size_t kSharedOverhead = 64;

/// An allocator for std::allocate_shared().
///
/// Owns:    borrows the pool for allocate(); what it gave out may outlive the pool.
/// Threads: allocate() as FramePool::Allocate(); deallocate() from any.
template <typename T>
class PoolAllocator {
 public:
  using value_type = T;

  explicit PoolAllocator(FramePool* pool) : pool_(pool) {}
  template <typename U>
  PoolAllocator(const PoolAllocator<U>& other)  // NOLINT(google-explicit-constructor): as required
      : pool_(other.pool()) {}

  T* allocate(size_t count) {
    static_assert(alignof(T) <= alignof(std::max_align_t));
    Frame memory = pool_->Allocate(sizeof(Origin) + count * sizeof(T));
    uint8_t* const bytes = memory.data();
    const auto [release, owner] = memory.Release();
    new (bytes) Origin{release, owner};
    return reinterpret_cast<T*>(bytes + sizeof(Origin));
  }

  void deallocate(T* place, size_t /*count*/) {
    const auto* origin =
        reinterpret_cast<const Origin*>(reinterpret_cast<const uint8_t*>(place) - sizeof(Origin));
    origin->release(origin->owner);
  }

  FramePool* pool() const { return pool_; }
  template <typename U>
  bool operator==(const PoolAllocator<U>& other) const {
    return pool_ == other.pool();
  }

 private:
  // Before each allocation: where it goes back to.
  struct alignas(std::max_align_t) Origin {
    Frame::ReleaseFn release;
    void* owner;
  };

  FramePool* pool_;
};

}  // namespace pcap_zmq
