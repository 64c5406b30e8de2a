// SPDX-License-Identifier: MIT
#include "sink/stop_wait.h"

#include <poll.h>

#include <algorithm>
#include <array>

namespace pcap_zmq {
namespace {

// The deadline may be brought forward while somebody waits for it.
constexpr Nanoseconds kDeadlineCheck = 50 * kNanosPerMilli;

}  // namespace

std::optional<short> WaitWritable(int fd, Nanoseconds timeout, const StopEvent& stop,
                                  const Clock& clock, SinkStats* stats, Meanwhile* meanwhile) {
  const Nanoseconds start = clock.MonotonicNow();
  const bool stopping = stop.requested();
  if (stopping) {
    if (start >= stop.deadline()) {
      stats->heartbeat.Beat(start);
      return std::nullopt;
    }
    timeout = std::min({timeout, stop.deadline() - start, kDeadlineCheck});
  }
  // Once raised, the event stays readable and would turn the wait into a spin.
  std::array<pollfd, 3> waits = {
      pollfd{fd, POLLOUT, 0}, pollfd{stopping ? -1 : stop.fd(), POLLIN, 0}, pollfd{-1, POLLIN, 0}};
  bool over = false;
  for (Nanoseconds now = start; !over; now = clock.MonotonicNow()) {
    stats->heartbeat.Beat(now);
    waits[2].fd = meanwhile != nullptr ? meanwhile->Work() : -1;
    const timespec limit = ToTimespec(start + timeout - now);
    const int ready = ::ppoll(waits.data(), waits.size(), &limit, nullptr);
    over = ready <= 0 || waits[0].revents != 0 || waits[1].revents != 0 ||
           clock.MonotonicNow() >= start + timeout;
  }
  stats->blocked_nanos.Add(
      static_cast<uint64_t>(std::max<Nanoseconds>(0, clock.MonotonicNow() - start)));
  return waits[0].revents;
}

short EventsOf(int fd, short events) {
  pollfd now{fd, events, 0};
  return ::poll(&now, 1, 0) > 0 ? now.revents : short{0};
}

timespec ToTimespec(Nanoseconds duration) {
  duration = std::max<Nanoseconds>(0, duration);
  timespec spec{};
  spec.tv_sec = static_cast<time_t>(duration / kNanosPerSecond);
  spec.tv_nsec = static_cast<long>(duration % kNanosPerSecond);
  return spec;
}

}  // namespace pcap_zmq
