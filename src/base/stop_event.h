// SPDX-License-Identifier: MIT
//
// The request to stop, which waiting threads can poll for.
#pragma once

#include <atomic>
#include <limits>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace pcap_zmq {

/// Raised once, by a signal or the end of the input; never lowered.
///
/// After it is raised, work under way is drained until deadline() and then given up.
/// Threads: any.
class StopEvent {
 public:
  StopEvent();

  /// Whether the event could be made.
  /// Errors:  kRuntime when there was no descriptor for it: nobody who polls would hear of it.
  const Status& status() const { return status_; }

  /// Raises the event; what has not been drained by `deadline` (monotonic) is dropped and counted.
  /// A later call can only bring the deadline forward.
  void Request(Nanoseconds deadline);

  bool requested() const { return requested_.load(std::memory_order_acquire); }

  /// Monotonic time; meaningful once requested() is true.  It may still come nearer, of which fd()
  /// says nothing: who waits for it looks again now and then.
  Nanoseconds deadline() const { return deadline_.load(std::memory_order_relaxed); }

  /// Readable from the request on.  Do not read from it.
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  Status status_;
  std::atomic<Nanoseconds> deadline_{std::numeric_limits<Nanoseconds>::max()};
  std::atomic<bool> requested_{false};
};

}  // namespace pcap_zmq
