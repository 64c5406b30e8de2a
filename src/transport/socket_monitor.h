// SPDX-License-Identifier: MIT
//
// Which connections a ZeroMQ socket has.
#pragma once

#include <cstdint>
#include <set>

#include "transport/zmq_context.h"

namespace pcap_zmq {

/// Follows a socket's connection events.
/// Threads: the socket's own thread.
class SocketMonitor {
 public:
  /// Watches `socket`, which outlives the monitor or its Close().
  SocketMonitor(const ZmqContext& context, void* socket);
  ~SocketMonitor() { Close(); }
  SocketMonitor(const SocketMonitor&) = delete;
  SocketMonitor& operator=(const SocketMonitor&) = delete;

  /// Stops watching; connections() stays as it is.
  void Close();

  /// Takes in what has happened since the last call; never waits.
  void Poll();

  /// Descriptors of the established connections.
  const std::set<int>& connections() const { return connections_; }
  /// Connections that have ended.
  uint64_t disconnects() const { return disconnects_; }

 private:
  void* const socket_;
  ZmqSocketHandle events_;
  std::set<int> connections_;
  uint64_t disconnects_ = 0;
};

}  // namespace pcap_zmq
