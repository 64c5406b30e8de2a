// SPDX-License-Identifier: MIT
//
// The one way in which sources wait.
#pragma once

#include <poll.h>

#include <array>
#include <ctime>

#include "base/clock.h"
#include "base/stop_event.h"

namespace pcap_zmq {

/// Waits for `fd` (-1: for nothing) at most `timeout`, for ever if that is negative, but not beyond
/// the stop event or a signal.
/// Errors:  false when `fd` has nothing to read, neither bytes nor an end nor an error.
inline bool WaitReadable(int fd, const StopEvent& stop, Nanoseconds timeout) {
  std::array<pollfd, 2> poll_fds = {
      pollfd{.fd = fd, .events = POLLIN, .revents = 0},
      pollfd{.fd = stop.fd(), .events = POLLIN, .revents = 0},
  };
  timespec patience{};
  patience.tv_sec = static_cast<time_t>(timeout / kNanosPerSecond);
  patience.tv_nsec = static_cast<decltype(patience.tv_nsec)>(timeout % kNanosPerSecond);
  return ::ppoll(poll_fds.data(), poll_fds.size(), timeout < 0 ? nullptr : &patience, nullptr) >
             0 &&
         poll_fds[0].revents != 0;
}

}  // namespace pcap_zmq
