// SPDX-License-Identifier: MIT
//
// The receiver's end of the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/stats.h"
#include "transport/frame_transport.h"
#include "transport/socket_monitor.h"
#include "transport/zmq_context.h"

namespace pcap_zmq {

struct PullOptions {
  std::string endpoint;
  int buffer_frames = 1000;                    ///< ZMQ_RCVHWM, for each sender
  uint64_t max_message = 16ULL * 1024 * 1024;  ///< a peer that sends more is cut off
};

/// Binds and takes frames from any number of senders in turn.
/// Threads: one thread, which may be another than the one that bound.
class PullSocket final : public FrameReceiver {
 public:
  /// `stats` outlives the socket.
  /// Errors:  kConfig when the endpoint cannot be parsed or bound.
  static Result<std::unique_ptr<PullSocket>> Bind(const ZmqContext& context,
                                                  const PullOptions& options, ReceiverStats* stats);

  bool Receive(Frame* frame) override;
  bool Wait(std::span<const int> fds, Nanoseconds timeout) override;

  /// Updates the stats' connections; call it a few times a second.
  void PollConnections();

  /// The endpoint with its real port.
  const std::string& bound_endpoint() const { return bound_endpoint_; }

 private:
  struct Held;

  PullSocket(const ZmqContext& context, ZmqSocketHandle socket, ReceiverStats* stats);
  static void ReleaseHeld(void* owner);

  ZmqSocketHandle socket_;
  int event_fd_ = -1;  // ZeroMQ's: readable when the socket has something to look at
  SocketMonitor monitor_;
  ReceiverStats* const stats_;
  FramePool held_pool_;  // of Held objects
  std::string bound_endpoint_;
};

}  // namespace pcap_zmq
