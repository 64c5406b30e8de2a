// SPDX-License-Identifier: MIT
//
// A queue between two threads that never grows past its bound.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/ring.h"

namespace pcap_zmq {

/// First in, first out; the bound counts the weight that each item was pushed with.
/// Threads: any number of pushers and poppers.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t max_weight) : max_weight_(max_weight) {}

  /// Takes `item` if its weight fits or the queue is empty.
  /// Errors:  false, and `item` left as it was, when the queue is full or closed.
  bool TryPush(T& item, size_t weight) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || (!items_.empty() && weight_ + weight > max_weight_)) {
        return false;
      }
      weight_ += weight;
      items_.Push() = {std::move(item), weight};
    }
    not_empty_.notify_one();
    return true;
  }

  /// As TryPush(), but waits up to `timeout` for room.
  bool Push(T& item, size_t weight, Nanoseconds timeout) {
    {
      std::unique_lock lock(mutex_);
      not_full_.wait_for(lock, std::chrono::nanoseconds(timeout), [&] {
        return closed_ || items_.empty() || weight_ + weight <= max_weight_;
      });
      if (closed_ || (!items_.empty() && weight_ + weight > max_weight_)) {
        return false;
      }
      weight_ += weight;
      items_.Push() = {std::move(item), weight};
    }
    not_empty_.notify_one();
    return true;
  }

  /// The oldest item; nullopt after `timeout` without one, or once the queue is closed and empty.
  std::optional<T> Pop(Nanoseconds timeout) {
    std::unique_lock lock(mutex_);
    not_empty_.wait_for(lock, std::chrono::nanoseconds(timeout),
                        [this] { return !items_.empty() || closed_; });
    if (items_.empty()) {
      return std::nullopt;
    }
    return TakeFront(&lock);
  }

  /// The oldest item if there is one and `wanted` says so of it; never waits.
  template <typename Predicate>
  std::optional<T> PopIf(Predicate wanted) {
    std::unique_lock lock(mutex_);
    if (items_.empty() || !wanted(items_.front().first)) {
      return std::nullopt;
    }
    return TakeFront(&lock);
  }

  /// Of all that is inside.
  size_t weight() const {
    const std::lock_guard lock(mutex_);
    return weight_;
  }

  /// Refuses items from now on; those inside can still be popped.
  void Close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    not_empty_.notify_all();
    not_full_.notify_all();
  }

  /// True once the queue is closed and everything was popped.
  bool Finished() const {
    const std::lock_guard lock(mutex_);
    return closed_ && items_.empty();
  }

 private:
  std::optional<T> TakeFront(std::unique_lock<std::mutex>* lock) {
    std::optional<T> item(std::move(items_.front().first));
    weight_ -= items_.front().second;
    items_.Pop();
    lock->unlock();
    // All, as the pushers wait for different weights.
    not_full_.notify_all();
    return item;
  }

  const size_t max_weight_;
  mutable std::mutex mutex_;
  std::condition_variable not_empty_;
  std::condition_variable not_full_;
  Ring<std::pair<T, size_t>> items_;  // guarded by mutex_
  size_t weight_ = 0;                 // guarded by mutex_
  bool closed_ = false;               // guarded by mutex_
};

}  // namespace pcap_zmq
