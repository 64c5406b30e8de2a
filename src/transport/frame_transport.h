// SPDX-License-Identifier: MIT
//
// The two ends of the wire as the pipelines see them.
#pragma once

#include <span>

#include "base/clock.h"
#include "base/frame.h"

namespace pcap_zmq {

/// What became of a frame that was to be sent.
enum class SendOutcome {
  kAccepted,   ///< buffered; it may still be lost with the connection or its peer
  kFull,       ///< refused: the buffer holds its number of frames (--zmq-buffer)
  kFullBytes,  ///< refused: the buffer holds its number of bytes (--zmq-buffer-bytes)
};

/// Sends frames to one endpoint.
/// Threads: one pump owns it.
class FrameSender {
 public:
  virtual ~FrameSender() = default;
  /// Tries to send `frame`, and never waits.
  /// Owns:    takes the frame; refused frames are gone.
  virtual SendOutcome Send(Frame frame) = 0;
};

/// Receives the frames of all senders.
/// Threads: one thread owns it.
class FrameReceiver {
 public:
  virtual ~FrameReceiver() = default;
  /// The next frame that has arrived; false at once when there is none.  In place of one that is
  /// refused comes a frame without data(), so that the caller can look at its clock and stop.
  virtual bool Receive(Frame* frame) = 0;
  /// Waits for a frame, for an event on one of `fds` (negative ones are left out), or for
  /// `timeout`; spurious returns are possible.  Call it when Receive() has just found nothing:
  /// frames that were there before do not end the wait.
  /// Errors:  none; true when one of `fds` has an event.
  virtual bool Wait(std::span<const int> fds, Nanoseconds timeout) = 0;
};

}  // namespace pcap_zmq
