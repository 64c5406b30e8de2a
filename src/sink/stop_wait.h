// SPDX-License-Identifier: MIT
//
// The one way in which a sink waits: for its reader, but not beyond the end of the drain.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/meanwhile.h"
#include "base/stats.h"
#include "base/stop_event.h"

namespace pcap_zmq {

/// Waits until `fd` can be written or has an error, the stop event is raised, or `timeout` is over;
/// `fd` may be -1.  The time goes to `stats->blocked_nanos`, and who waits so is alive.  Meanwhile
/// the thread does the work of `meanwhile`, which may be null.
/// Errors:  nullopt, at once, when the stop event's deadline has passed; else the events of
/// poll(2).
std::optional<short> WaitWritable(int fd, Nanoseconds timeout, const StopEvent& stop,
                                  const Clock& clock, SinkStats* stats,
                                  Meanwhile* meanwhile = nullptr);

/// The events that `fd` has now.
short EventsOf(int fd, short events);

/// `duration` for ppoll(2); a negative one is 0.
timespec ToTimespec(Nanoseconds duration);

}  // namespace pcap_zmq
