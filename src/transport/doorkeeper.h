// SPDX-License-Identifier: MIT
//
// How many may be connected to a bound socket at once.
#pragma once

#include <cstddef>

#include "base/clock.h"
#include "base/stats.h"

namespace pcap_zmq {

/// Shuts the door of a listening socket while too many are inside, so that strangers can use up
/// neither memory nor the descriptors that outputs and metrics need.
///
/// ZeroMQ accepts everybody, and spins when descriptors have run out.  With the door shut the
/// kernel drops what asks for a connection, so that those who wait for one try again by themselves;
/// established connections do not notice.  It opens when an eighth of the places is free again: who
/// does not finish ZeroMQ's handshake has to leave within ten seconds.  Sockets of another family
/// than IP (ipc://) have no door; their file's mode says who may connect.
/// Threads: one.
class Doorkeeper {
 public:
  /// A few more than `max_connections` (at least 1) can get in while the door is closing.  `stats`
  /// outlives the doorkeeper.
  Doorkeeper(size_t max_connections, ConnectionStats* stats)
      : max_connections_(max_connections), stats_(stats) {}

  /// The listening socket; until it is known nothing is shut.
  void set_listener(int fd) { listener_fd_ = fd; }

  /// Opens or shuts the door for what is `inside` now.  Call it after each change.
  void Look(size_t inside);

 private:
  void Shut(size_t inside);
  void Open();

  const size_t max_connections_;
  ConnectionStats* const stats_;
  int listener_fd_ = -1;
  bool shut_ = false;
  Nanoseconds next_word_ = 0;
};

}  // namespace pcap_zmq
