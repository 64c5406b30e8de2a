// SPDX-License-Identifier: MIT
//
// What a thread that has to wait can do besides.
#pragma once

#include "base/clock.h"

namespace pcap_zmq {

/// Work for a thread that waits for something else.
///
/// The receiver's thread writes to its output itself, as handing packets to another thread costs
/// more than writing them.  While its reader is slow it goes on taking in what senders send.
/// Threads: the waiting thread makes all calls.
class Meanwhile {
 public:
  virtual ~Meanwhile() = default;

  /// Does what can be done now, and never waits.  Call it again after each wait.
  /// Errors:  none; the descriptor that is readable when there is more to do, or -1.
  virtual int Work() = 0;
};

/// How often to call Work() where its descriptor cannot be waited for: what arrives until then
/// finds little room in ZeroMQ.
inline constexpr Nanoseconds kWorkInterval = kNanosPerMilli;

}  // namespace pcap_zmq
