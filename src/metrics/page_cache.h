// SPDX-License-Identifier: MIT
//
// A page that takes work to make, for clients who may ask as often as they like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/clock.h"

namespace pcap_zmq {

/// Makes a page at most once at a time, and bounds how much of it is made.
///
/// A page answers those who asked before it was begun.  So an answer is never older than its
/// question, until kBytesPerSecond are made (small pages hundreds of times a second, a page of a
/// thousand senders a few times); from then on it may be up to kLongestAge old.
/// Threads: any.
class PageCache {
 public:
  static constexpr Nanoseconds kLongestAge = kNanosPerSecond;
  static constexpr int64_t kBytesPerSecond = int64_t{4} << 20;
  /// What may be made at once after a pause.
  static constexpr int64_t kBurstBytes = 2 * kBytesPerSecond;

  /// Owns:    takes `make`, which is called from any thread, by one at a time; borrows `clock`.
  PageCache(std::function<std::string()> make, const Clock* clock)
      : make_(std::move(make)), clock_(clock) {}

  /// Waits while another thread makes the page.
  std::shared_ptr<const std::string> Get();

 private:
  const std::function<std::string()> make_;
  const Clock* const clock_;
  std::mutex mutex_;
  // All guarded by mutex_.
  std::shared_ptr<const std::string> page_;
  Nanoseconds begun_at_ = 0;      // of page_
  int64_t budget_ = kBurstBytes;  // bytes; below 0 once a page took more than there was
  Nanoseconds budget_at_ = 0;     // when budget_ was right
};

}  // namespace pcap_zmq
