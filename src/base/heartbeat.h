// SPDX-License-Identifier: MIT
//
// How others see that a thread still moves.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>

#include "base/clock.h"

namespace pcap_zmq {

/// The time at which a thread last came by.
///
/// Waiting is moving: a loop that waits wakes up regularly and beats.  What does not beat is a
/// thread that computes for ever, or that the kernel does not let return from a call.
/// Threads: one beats, any looks.
class Heartbeat {
 public:
  /// `now` is monotonic.
  void Beat(Nanoseconds now) { last_.store(now, std::memory_order_relaxed); }

  /// Nothing more is to be expected: the thread is ending.
  void Rest() { last_.store(kResting, std::memory_order_relaxed); }

  /// Time since the last beat; 0 before the first one and at rest.
  Nanoseconds SilentFor(Nanoseconds now) const {
    return now - std::min(now, last_.load(std::memory_order_relaxed));
  }

 private:
  static constexpr Nanoseconds kResting = std::numeric_limits<Nanoseconds>::max();

  std::atomic<Nanoseconds> last_{kResting};
};

}  // namespace pcap_zmq
