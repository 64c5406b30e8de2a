// SPDX-License-Identifier: MIT
//
// What happens to the connections of a ZeroMQ socket.
#pragma once

#include <cstdint>
#include <optional>

#include "transport/zmq_context.h"

namespace pcap_zmq {

/// Something that happened to a connection.
/// Source:  zmq_socket_monitor(3).
struct ConnectionEvent {
  uint16_t number = 0;  ///< a ZMQ_EVENT_
  int32_t value = 0;    ///< a descriptor, an error number or a reason, as the event has it
};

/// Reports a socket's connection events.
/// Threads: made and closed in the socket's own thread; Next() from one thread, which may be
///          another.
class SocketMonitor {
 public:
  /// Watches `socket`, which outlives the monitor or its Close().
  SocketMonitor(const ZmqContext& context, void* socket);
  ~SocketMonitor() { Close(); }
  SocketMonitor(const SocketMonitor&) = delete;
  SocketMonitor& operator=(const SocketMonitor&) = delete;

  /// Stops watching.
  void Close();

  /// The next event since the last call, if there is one; never waits.
  std::optional<ConnectionEvent> Next();

  /// ZeroMQ's handle of what Next() reads, for zmq_poll(); null when nothing is watched.
  void* handle() const { return events_.get(); }

 private:
  void* const socket_;
  ZmqSocketHandle events_;
};

}  // namespace pcap_zmq
