// SPDX-License-Identifier: MIT
//
// A peer that vanished without a word.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/clock.h"

namespace pcap_zmq {

/// Tells a TCP peer that is gone from one that is only busy, by what the kernel knows: a host that
/// is there acknowledges data and, when its program takes none for however long, probes for room.
///
/// ZeroMQ's heartbeats cannot: a receiver whose reader hangs leaves its connections alone, so it
/// would answer none and lose, 9 s later, what is on the way; and libzmq 4.3.4 aborts a program
/// with heartbeats that does so when the peer closes its end meanwhile (an assertion on
/// !_io_error).
/// Threads: one.
class SilenceWatch {
 public:
  /// Without an answer for so long a peer is gone.
  static constexpr Nanoseconds kPatience = 9 * kNanosPerSecond;

  /// `endpoint` is what the log calls the peers.
  explicit SilenceWatch(std::string endpoint) : endpoint_(std::move(endpoint)) {}

  /// Looks at all connections of a socket; call it a few times a second.  Those whose peer is gone
  /// are shut down, upon which ZeroMQ drops them and connects anew.
  /// Shape:   descriptors may be stale or of other kinds than TCP; nothing is known of those then.
  void Look(const std::set<int>& connections, Nanoseconds now);

 private:
  const std::string endpoint_;
  std::map<int, Nanoseconds> silent_since_;  // by descriptor; only those with a question open
};

}  // namespace pcap_zmq
