// SPDX-License-Identifier: MIT
#include "app/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace pcap_zmq {

Result<SignalWaiter> SignalWaiter::Block() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return RuntimeError(std::string("cannot block signals: ") + std::strerror(error));
  }
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  for (const int signal : {SIGPIPE, SIGHUP}) {
    if (::sigaction(signal, &ignore, nullptr) != 0) {
      return RuntimeError(std::string("cannot ignore a signal: ") + std::strerror(errno));
    }
  }
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) {
    return RuntimeError(std::string("cannot wait for signals: ") + std::strerror(errno));
  }
  return SignalWaiter(std::move(fd));
}

std::optional<int> SignalWaiter::Take() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
    return std::nullopt;
  }
  return static_cast<int>(info.ssi_signo);
}

std::optional<int> SignalWaiter::Next(Nanoseconds timeout, int other_fd) {
  const SystemClock clock;
  const Nanoseconds deadline = timeout < 0 ? 0 : clock.MonotonicNow() + timeout;
  while (true) {
    if (const std::optional<int> signal = Take()) {
      return signal;
    }
    // poll() skips a negative descriptor.
    std::array<pollfd, 2> fds = {pollfd{fd_.get(), POLLIN, 0}, pollfd{other_fd, POLLIN, 0}};
    timespec left{};
    if (timeout >= 0) {
      const Nanoseconds nanos = std::max<Nanoseconds>(deadline - clock.MonotonicNow(), 0);
      left = {static_cast<time_t>(nanos / kNanosPerSecond),
              static_cast<long>(nanos % kNanosPerSecond)};
    }
    const int ready = ::ppoll(fds.data(), fds.size(), timeout < 0 ? nullptr : &left, nullptr);
    if (ready < 0 && errno == EINTR) {
      continue;
    }
    // Nothing ready, or not our descriptor: a signal that came just now still goes first.
    if (ready <= 0 || fds[1].revents != 0) {
      return Take();
    }
  }
}

void StopOnSignals(SignalWaiter* signals, const Clock& clock, Nanoseconds drain_timeout,
                   int done_fd, StopEvent* stop) {
  while (const std::optional<int> signal = signals->Next(-1, done_fd)) {
    if (!stop->requested()) {
      stop->Request(clock.MonotonicNow() + drain_timeout);
    } else if (*signal == SIGINT) {
      stop->Request(clock.MonotonicNow());
    }
  }
}

}  // namespace pcap_zmq
