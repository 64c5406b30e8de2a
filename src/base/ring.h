// SPDX-License-Identifier: MIT
//
// A first-in-first-out list that stops allocating once it has been as long as it usually gets.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace pcap_zmq {

/// Like a deque that is filled at its back and emptied at its front, in memory that is used again.
///
/// Slots are used again, but what a popped element owned does not stay in them.  A list that was
/// very long gives its slots back when it is empty.
/// References stay valid until the next Push().
/// Threads: not thread-safe.
template <typename T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  /// The element at `index`, counted from the front.
  T& operator[](size_t index) { return slots_[(first_ + index) & (slots_.size() - 1)]; }
  const T& operator[](size_t index) const { return slots_[(first_ + index) & (slots_.size() - 1)]; }

  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }

  /// A new element at the back, as T() makes it.
  T& Push() {
    if (size_ == slots_.size()) {
      Grow();
    }
    ++size_;
    return back();
  }

  /// Takes the front element out of the list, and lets go of what it owns.
  void Pop() {
    front() = T();
    first_ = (first_ + 1) & (slots_.size() - 1);
    --size_;
    if (size_ == 0 && slots_.size() > kKeptSlots) {
      slots_ = std::vector<T>();
      first_ = 0;
    }
  }

 private:
  static constexpr size_t kKeptSlots = 4096;

  void Grow() {
    std::vector<T> larger(slots_.empty() ? 8 : 2 * slots_.size());
    for (size_t i = 0; i < size_; ++i) {
      larger[i] = std::move((*this)[i]);
    }
    slots_ = std::move(larger);
    first_ = 0;
  }

  std::vector<T> slots_;  // as many as a power of two, or none
  size_t first_ = 0;
  size_t size_ = 0;
};

}  // namespace pcap_zmq
