// SPDX-License-Identifier: MIT
//
// How a receiver parts from its senders without losing what they have sent: what ZeroMQ's sockets
// are told behind its back.  For this folder's .cc files.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"

namespace pcap_zmq {

/// Lets nobody in any more who is not in yet: from here on the kernel drops what comes to the
/// listening TCP socket `fd`, which the peer takes for a lost packet and sends again a second
/// later, when another program may listen.  Does nothing to sockets of other kinds.
///
/// Closing the socket would not do: ZeroMQ then closes the accepted connections as well, and throws
/// away what they have sent (zeromq/libzmq issue 3317).
/// Source:  socket(7), SO_ATTACH_FILTER.
void ShutListener(int fd);

/// Whether a connection to the listening TCP socket `fd` waits to be accepted.
bool HasWaitingConnection(int fd);

/// Whether TCP connections are quiet: between two frames is the time to close them.
///
/// A frame of which a sender's ZeroMQ has written a part goes with the connection, and is lost.
/// Threads: one.
class QuietWatch {
 public:
  /// Whether nothing has come over `fd` since the last question about it, and nothing is unread.
  /// True for what is no TCP connection.
  bool IsQuiet(int fd);

 private:
  std::map<int, uint64_t> received_;  // bytes, by descriptor
};

/// The end of one TCP connection.
///
/// Our half is closed, upon which the peer's ZeroMQ closes its own and keeps what it has not
/// written yet for the next connection.  What it has written must still be read.  But as soon as
/// both halves are closed, poll() reports that whether one asks or not, and libzmq 4.3.4 gives up a
/// connection that reports something while nobody takes its messages: what the kernel still holds
/// is lost.  So the peer's farewell is kept out until all that it sent before was read.  It is then
/// repeated by the peer's kernel, 200 ms after the first one.
/// Threads: one.
class Farewell {
 public:
  /// Closes our half of `fd`, if it still leads to `address`: ZeroMQ may have closed it, and
  /// another connection have its number.
  Farewell(int fd, const std::string& address);

  /// Lets the peer's farewell in once all before it was read, and does not wait for one that does
  /// not come: a peer that hangs, or whose host has gone, would make every stop last to its
  /// deadline.  Call it every few milliseconds with the monotonic time, and whether ZeroMQ had
  /// nothing left a moment ago: else it may not have looked at all that the peer sent.
  void Look(Nanoseconds now, bool all_taken);

 private:
  bool IsSilent(Nanoseconds now, bool all_taken);

  int fd_ = -1;  // -1 when there is nothing left to do
  bool is_tcp_ = false;
  bool kept_out_ = false;
  uint64_t received_ = 0;  // bytes, of TCP
  Nanoseconds last_sign_ = 0;
  std::optional<uint32_t> drops_;  // segments that were kept out, as far as the kernel tells
  bool was_empty_ = false;         // at the last look
};

}  // namespace pcap_zmq
