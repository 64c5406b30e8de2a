// SPDX-License-Identifier: MIT
//
// The receiver's end of the wire.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/sender_key.h"
#include "base/stats.h"
#include "transport/authorized_keys.h"
#include "transport/connection_guard.h"
#include "transport/curve_keys.h"
#include "transport/frame_transport.h"
#include "transport/inbox.h"
#include "transport/socket_monitor.h"
#include "transport/zmq_context.h"

namespace pcap_zmq {

struct PullOptions {
  std::string endpoint;
  int buffer_frames = 2;                       ///< ZMQ_RCVHWM, for each sender
  uint64_t max_message = 16ULL * 1024 * 1024;  ///< a peer that sends more is cut off
  std::function<bool()> make_room{};           ///< has others free memory for the inbox
  size_t max_connections = 1024;               ///< of TCP, to each of which the above applies
  std::optional<CurveKeyPair> keys{};          ///< without them everybody may send, in the clear
  AuthorizedKeys* authorized = nullptr;        ///< with `keys`: who may send; outlives the socket
};

/// Binds and takes frames from any number of senders in turn.
/// Threads: one thread, which may be another than the one that bound.
class PullSocket final : public FrameReceiver {
 public:
  /// `stats` outlives the socket.
  /// Errors:  kConfig when the endpoint cannot be parsed or bound.
  static Result<std::unique_ptr<PullSocket>> Bind(const ZmqContext& context,
                                                  const PullOptions& options, ReceiverStats* stats);

  /// Starts the thread that lets senders in and counts those who are turned away.  Until then they
  /// wait at the door.
  /// Errors:  kRuntime when the system refuses a thread.
  Status StartGuard() { return guard_->Start(&monitor_); }

  /// Asks all senders to leave; whoever comes from now on is asked as well.  What they have sent is
  /// still received.
  void AskSendersToLeave() {
    are_leaving_ = true;
    guard_->AskAllToLeave();
  }

  /// Whether all have left and nobody can come any more.  What Receive() does not find then has not
  /// been sent here.
  bool SendersLeft() const { return guard_->AllLeft(); }

  /// Readable from that moment on.
  int senders_left_fd() const { return guard_->all_left_fd(); }

  /// Closes the endpoint and all connections; what is here already can still be received.
  void Unbind();

  /// Takes what has arrived into the inbox, as long as there is memory for it; never waits.
  /// Errors:  none; the descriptor that is readable when more arrives, or -1 without memory.
  int TakeIn();

  /// Estimates the memory that ZeroMQ holds; call it now and then with the monotonic time.
  void WeighTransport(Nanoseconds now);

  /// Frames whose sender's key was taken away since it connected come without data.  They are
  /// counted (`revoked`), and the connection is cut: what it had sent is not delivered any more.
  bool Receive(Frame* frame) override;
  bool Wait(std::span<const int> fds, Nanoseconds timeout) override;

  /// The sender of the last frame.
  /// Owns:    valid until the next Receive().
  SenderKey sender_key() const { return {key_, key_name_}; }

  /// The endpoint with its real port.
  const std::string& bound_endpoint() const { return bound_endpoint_; }

 private:
  struct Held;

  PullSocket(const ZmqContext& context, ZmqSocketHandle socket, const PullOptions& options,
             ReceiverStats* stats);
  static void ReleaseHeld(void* owner);
  // The next message from ZeroMQ itself, as Receive().
  bool ReceiveFromZmq(Frame* frame);
  bool HasRoom();
  void Weigh();
  // Finds key_name_; false when the key is not authorized (any more).
  bool IsWelcome(const char* key);

  ZmqSocketHandle socket_;
  int event_fd_ = -1;  // ZeroMQ's: readable when the socket has something to look at
  SocketMonitor monitor_;
  ReceiverStats* const stats_;
  AuthorizedKeys* const authorized_;
  const std::function<bool()> make_room_;
  const uint64_t messages_in_zmq_;  // of each connection, at most
  size_t largest_message_ = 0;      // in this period
  size_t largest_before_ = 0;       // in the one before
  Nanoseconds period_ends_ = 0;
  bool are_leaving_ = false;
  Inbox inbox_;
  std::unique_ptr<ConnectionGuard> guard_;
  uint64_t names_version_ = 0;
  std::shared_ptr<const AuthorizedKeys::Names> names_;  // as of that version
  std::string key_;                                     // of the last frame
  std::string_view key_name_;                           // in names_
  FramePool held_pool_;                                 // of Held objects
  std::string bound_endpoint_;
};

}  // namespace pcap_zmq
