// SPDX-License-Identifier: MIT
//
// Where packets leave the receiver.
#pragma once

#include "base/clock.h"
#include "base/record_block.h"

namespace pcap_zmq {

/// A reader or a file that takes packets.
///
/// Threads: one thread owns a sink and makes all calls, but for usable().
class PacketSink {
 public:
  virtual ~PacketSink() = default;

  /// Delivers the block's packets, or counts them as dropped.
  ///
  /// A blocking sink waits for its reader as long as it takes; once the stop event is raised, until
  /// its deadline, after which what is left is dropped as kShutdown.
  /// Owns:    shares `block` until every byte of it is out of the reader's way.
  virtual void Deliver(RecordBlockPtr block) = 0;

  /// Notices readers that came or went.  Call it between deliveries: when watch_fd() has an event,
  /// and at the latest after the returned number of nanoseconds.
  virtual Nanoseconds Service() = 0;

  /// A descriptor whose POLLERR or POLLHUP calls for Service(), or -1.  Changes between calls.
  virtual int watch_fd() const = 0;

  /// Whether packets can be delivered now, for /readyz.  Any thread.
  virtual bool usable() const = 0;

  /// Memory of what waits for the output in a queue.
  virtual size_t waiting_bytes() const { return 0; }

  /// What to do with a block that others hold as well, so that giving it up frees no memory yet.
  enum class Shared { kKeep, kGiveUp };
  /// Drops, as kQueueFull, the oldest block that waits for an output that may drop.
  /// Errors:  false when there is none, or when it is shared and to be kept.
  virtual bool GiveUpOldest(Shared /*shared*/) { return false; }

  /// True once the output is gone for good, so that the program may end.  Any thread.
  virtual bool ended() const { return false; }

  /// Writes out what is buffered and closes the output; nothing may be delivered afterwards.
  virtual void Finish() = 0;
};

}  // namespace pcap_zmq
