// SPDX-License-Identifier: MIT
//
// Where packets enter the sender.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/packet.h"

namespace pcap_zmq {

enum class ReadStatus {
  kPackets,  ///< the batch holds at least one packet
  kNothing,  ///< nothing to hand on within the timeout
  kEnd,      ///< the input has ended and the batch is empty; every later call says the same
};

/// How often a source is asked to follow the rate while packets come: a burst is to be found within
/// ten such intervals, and a busy source's batches are far more frequent.
inline constexpr Nanoseconds kFollowInterval = 10 * kNanosPerMilli;

/// A stream of IP packets.
///
/// A source hands on IP packets only: link layers are cut off, and what carries no IP is counted
/// as captured and dropped.  It counts what it captures, loses and drops in the PumpStats that it
/// was made with.
/// Threads: one pump owns a source; nothing here is safe to call from two threads.
class PacketSource {
 public:
  virtual ~PacketSource() = default;

  /// Clears `batch` and fills it with the next packets, waiting for them at most `timeout`
  /// nanoseconds (0: not at all), or until the stop event is raised; from then on nothing waits.
  /// Shape:   as many packets as are there and the arena holds; order as captured.
  /// Owns:    the packets live in the batch, until it is cleared or refilled.
  /// Errors:  faults of a running source are counted and survived; a source that can never deliver
  ///          again reports kEnd and says why in the log.
  virtual ReadStatus Read(PacketBatch* batch, Nanoseconds timeout) = 0;

  /// Whether the last Read() took all that was there: the next one may wait at once, which saves
  /// a look that is mostly in vain.
  virtual bool drained() const { return false; }

  /// Arena bytes that this source's batches need.
  virtual size_t BatchBytes() const = 0;

  /// Lets the source follow how fast packets come by monotonic time `now`, to trade latency for
  /// work.  Called every kFollowInterval while packets come, and a few times a second while not.
  virtual void FollowRate(Nanoseconds now) { static_cast<void>(now); }

  /// Whether the source has ended for a reason that is not the input's end or a request to stop.
  virtual bool failed() const { return false; }

  /// Takes no packets on from now: those captured so far can still be read, then comes kEnd.
  /// Called once, when the program is asked to stop.
  virtual void StopIntake() = 0;
};

}  // namespace pcap_zmq
