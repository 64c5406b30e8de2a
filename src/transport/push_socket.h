// SPDX-License-Identifier: MIT
//
// The sender's end of the wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/rate_limit.h"
#include "base/result.h"
#include "transport/curve_keys.h"
#include "transport/frame_transport.h"
#include "transport/silence_watch.h"
#include "transport/socket_monitor.h"
#include "transport/zmq_context.h"

namespace pcap_zmq {

struct PushOptions {
  std::string endpoint;
  int buffer_frames = 1000;                     ///< ZMQ_SNDHWM
  uint64_t buffer_bytes = 64ULL * 1024 * 1024;  ///< of memory that waiting frames take
  std::optional<CurveClientKeys> keys{};        ///< without them nothing is encrypted
  bool may_be_unknown = false;                  ///< a host that does not exist may come to exist
};

/// Connects to one receiver and buffers for it, also while it is away.
///
/// Frames wait in ZeroMQ up to both limits of PushOptions; beyond them Send() refuses.
/// Threads: Send() and all else from one thread, which may be another than the one that connected.
class PushSocket final : public FrameSender {
 public:
  /// Connecting goes on in the background for as long as the socket lives.
  /// Errors:  kConfig when the endpoint cannot be parsed or its host does not exist, unless it may
  /// be unknown.
  static Result<std::unique_ptr<PushSocket>> Connect(const ZmqContext& context,
                                                     const PushOptions& options);
  ~PushSocket() override;
  PushSocket(const PushSocket&) = delete;
  PushSocket& operator=(const PushSocket&) = delete;

  SendOutcome Send(Frame frame) override;

  const std::string& endpoint() const { return options_.endpoint; }
  /// Whether a receiver is there that has passed the handshake.
  bool connected() const { return ready_; }
  /// Connections that ended before the handshake was over.
  uint64_t handshake_failures() const { return handshake_failures_; }
  /// Takes in connections made and lost, gives up those whose receiver is silent, and tries again
  /// where ZeroMQ has given up; call it a few times a second with the monotonic time.
  void PollConnections(Nanoseconds now);

  /// Amounts of frames.
  struct Tally {
    uint64_t frames = 0;
    uint64_t packets = 0;
    uint64_t bytes = 0;

    Tally& operator+=(const Tally& other) {
      frames += other.frames;
      packets += other.packets;
      bytes += other.bytes;
      return *this;
    }
  };
  /// Everything that Send() accepted.
  const Tally& accepted() const { return accepted_; }
  /// The part of it that ZeroMQ has let go of: handed to the kernel or, when a connection broke
  /// under it, lost.  The difference is what ZeroMQ buffers.
  Tally released() const;

  /// Frames that ZeroMQ buffers.
  uint64_t waiting_frames() const { return accepted_.frames - released().frames; }

  /// What ZeroMQ buffers, as parts of what it may: 0 empty, 1 full, whichever limit is nearer.
  double fill() const;

  /// Whether everything accepted has reached the receiver's host: nothing is buffered here and the
  /// peer's kernel has acknowledged what ours held.
  bool Delivered();

  /// Closes; what is buffered still has `linger` to leave, in the context's destructor.
  void Close(Nanoseconds linger);

 private:
  struct Account;
  struct InFlight;

  PushSocket(const ZmqContext& context, const PushOptions& options, bool ipv6_only);
  static void OnReleased(void* data, void* hint);

  // Makes the socket and connects it.  A probe takes no frames before its handshake succeeds.
  Status Open(bool probe);
  // ZeroMQ retries connections that break, but gives up on a peer that breaks the protocol, such as
  // one that wants encryption where we have no keys; and forgets what was buffered for it.
  void Reopen(bool probe);
  void TakeInEvents();
  void TakeIn(const ConnectionEvent& event);
  void NoteHandshakeFailure(const ConnectionEvent& event);

  const ZmqContext& context_;
  const PushOptions options_;
  const bool ipv6_only_;
  ZmqSocketHandle socket_;
  std::optional<SocketMonitor> monitor_;
  bool probing_ = false;
  bool ready_ = false;
  std::set<int> connections_;       // descriptors of ZeroMQ's
  bool given_up_ = false;           // the last connection ended, and no other has been tried since
  Nanoseconds given_up_since_ = 0;  // as far as polls have noticed it; 0 otherwise
  uint64_t handshake_failures_ = 0;
  RateLimit log_limit_{3, 10 * kNanosPerSecond};  // two failures may take turns
  std::string told_failure_;  // the last one that was logged, until a handshake succeeds
  SilenceWatch silence_watch_;
  FramePool in_flight_pool_;  // of InFlight objects
  std::shared_ptr<Account> account_;
  Tally accepted_;
  uint64_t accepted_memory_ = 0;  // that the accepted frames took
};

}  // namespace pcap_zmq
