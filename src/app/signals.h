// SPDX-License-Identifier: MIT
//
// Signals as events that the main thread waits for.
#pragma once

#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "base/stop_event.h"
#include "base/unique_fd.h"

namespace pcap_zmq {

/// SIGTERM and SIGINT of the process, to be read instead of handled.
///
/// They stay blocked when the object goes: a signal that comes during the last steps does not
/// undo an orderly end.
/// Threads: one.
class SignalWaiter {
 public:
  /// Blocks the two signals in the calling thread and in those that it starts later, and ignores
  /// SIGPIPE (a reader that left is an error code) and SIGHUP (a closed terminal ends no daemon).
  /// Call it in main() before any thread is started.
  /// Errors:  kRuntime when the kernel has no descriptor left.
  static Result<SignalWaiter> Block();

  /// Readable while a signal waits to be taken.
  int fd() const { return fd_.get(); }

  /// Waits for a signal and takes it; a negative `timeout` waits as long as it takes.
  /// Shape:   SIGTERM or SIGINT; nullopt after `timeout`, or once `other_fd` (if not -1) is
  ///          readable or closed.  A signal that is there comes first.
  std::optional<int> Next(Nanoseconds timeout, int other_fd = -1);

 private:
  explicit SignalWaiter(UniqueFd fd) : fd_(std::move(fd)) {}
  std::optional<int> Take();

  UniqueFd fd_;
};

/// Waits until `done_fd` is readable, meanwhile turning signals into requests to stop: the first
/// allows `drain_timeout` for what is under way, and a SIGINT after it none.  Further SIGTERMs are
/// the same request again: whoever stops services may send any number of them.
/// Threads: the one that owns `signals`.
void StopOnSignals(SignalWaiter* signals, const Clock& clock, Nanoseconds drain_timeout,
                   int done_fd, StopEvent* stop);

}  // namespace pcap_zmq
