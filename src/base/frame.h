// SPDX-License-Identifier: MIT
//
// The owned bytes of exactly one wire message, and the pool from which the packet path takes them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace pcap_zmq {

/// The bytes of one wire message.
///
/// Owns:    its bytes; whoever made them (a pool, a ZeroMQ message) is told through the release
///          function when the frame goes.
/// Threads: one owner at a time; the release function may run in any thread.
class Frame {
 public:
  using ReleaseFn = void (*)(void* owner);

  Frame() = default;
  /// `capacity` is the memory that the frame keeps, at least `size`.
  Frame(uint8_t* data, size_t size, ReleaseFn release, void* owner, size_t capacity = 0)
      : data_(data),
        size_(size),
        capacity_(std::max(capacity, size)),
        release_(release),
        owner_(owner) {}
  Frame(Frame&& other) noexcept { *this = std::move(other); }
  Frame& operator=(Frame&& other) noexcept {
    if (this != &other) {
      Reset();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, 0);
      release_ = std::exchange(other.release_, nullptr);
      owner_ = std::exchange(other.owner_, nullptr);
      packet_count_ = std::exchange(other.packet_count_, 0);
    }
    return *this;
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  ~Frame() { Reset(); }

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  bool empty() const { return size_ == 0; }

  /// Bytes of memory that stay taken for as long as the frame lives.
  size_t capacity() const { return capacity_; }

  /// Cuts the frame to its first `size` bytes.
  void Truncate(size_t size) { size_ = size < size_ ? size : size_; }

  /// Packets in the frame, for accounts of frames that never arrive; 0 in control frames.
  uint32_t packet_count() const { return packet_count_; }
  void set_packet_count(uint32_t count) { packet_count_ = count; }

  /// Gives up the bytes: the caller must call the returned function with the returned owner.
  std::pair<ReleaseFn, void*> Release() {
    data_ = nullptr;
    size_ = 0;
    capacity_ = 0;
    return {std::exchange(release_, nullptr), std::exchange(owner_, nullptr)};
  }

 private:
  void Reset() {
    if (release_ != nullptr) {
      release_(owner_);
    }
    release_ = nullptr;
  }

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  ReleaseFn release_ = nullptr;
  void* owner_ = nullptr;
  uint32_t packet_count_ = 0;
};

/// A frame of `size` uninitialised bytes in memory of just that size.
Frame HeapFrame(size_t size);

/// Buffers for frames, reused.
///
/// Buffers up to `block_bytes` are kept when they come back, 8 MiB of them; larger ones, which only
/// single huge packets need, come from and go to the heap.  A frame may outlive the pool.
/// Threads: Allocate() from one thread; frames may be released from any.
class FramePool {
 public:
  explicit FramePool(size_t block_bytes);
  ~FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  /// A frame of exactly `size` uninitialised bytes.
  Frame Allocate(size_t size);

 private:
  struct Shared;
  struct Block;
  static void ReleaseBlock(void* owner);

  std::shared_ptr<Shared> shared_;
  Block* ready_ = nullptr;  // taken back from shared_, touched by the allocating thread alone
};

}  // namespace pcap_zmq
