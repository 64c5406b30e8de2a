// SPDX-License-Identifier: MIT
#include "app/signals.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <thread>

#include "tests/support/fake_clock.h"

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kLong = 20 * kNanosPerSecond;

// Runs `check` in a child, whose signal mask and dispositions end with it.
void ExpectInChild(const std::function<bool()>& check) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // a check that hangs fails instead
    ::_exit(check() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    read_end.Reset(ends[0]);
    write_end.Reset(ends[1]);
  }
  UniqueFd read_end;
  UniqueFd write_end;
};

bool Readable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  return ::poll(&poll_fd, 1, 0) == 1;
}

TEST(SignalWaiter, TermAndIntAreTakenInsteadOfKilling) {
  for (const int signal : {SIGTERM, SIGINT}) {
    ExpectInChild([signal] {
      auto signals = SignalWaiter::Block();
      if (!signals.ok() || Readable(signals.value().fd())) {
        return false;
      }
      ::kill(::getpid(), signal);
      return Readable(signals.value().fd()) && signals.value().Next(kLong) == signal &&
             !Readable(signals.value().fd()) && signals.value().Next(0) == std::nullopt;
    });
  }
}

TEST(SignalWaiter, HangupAndBrokenPipeAreIgnored) {
  ExpectInChild([] {
    auto signals = SignalWaiter::Block();
    Pipe pipe;
    pipe.read_end.Reset();
    ::kill(::getpid(), SIGHUP);
    return signals.ok() && ::write(pipe.write_end.get(), "x", 1) == -1 && errno == EPIPE &&
           signals.value().Next(0) == std::nullopt;
  });
}

TEST(SignalWaiter, SignalReachesTheWaiterWhenOtherThreadsRun) {
  ExpectInChild([] {
    auto signals = SignalWaiter::Block();
    Pipe pipe;
    std::thread other([&pipe] {
      char byte = 0;
      [[maybe_unused]] const ssize_t got = ::read(pipe.read_end.get(), &byte, 1);
    });
    ::kill(::getpid(), SIGTERM);
    const bool taken = signals.value().Next(kLong) == SIGTERM;
    pipe.write_end.Reset();
    other.join();
    return taken;
  });
}

TEST(SignalWaiter, OtherDescriptorEndsTheWait) {
  ExpectInChild([] {
    auto signals = SignalWaiter::Block();
    Pipe pipe;
    if (::write(pipe.write_end.get(), "x", 1) != 1 ||
        signals.value().Next(-1, pipe.read_end.get()) != std::nullopt) {
      return false;
    }
    Pipe closed;
    closed.write_end.Reset();
    return signals.value().Next(-1, closed.read_end.get()) == std::nullopt;
  });
}

TEST(SignalWaiter, SignalComesBeforeTheOtherDescriptor) {
  ExpectInChild([] {
    auto signals = SignalWaiter::Block();
    Pipe pipe;
    pipe.write_end.Reset();
    ::kill(::getpid(), SIGINT);
    return signals.value().Next(-1, pipe.read_end.get()) == SIGINT &&
           signals.value().Next(-1, pipe.read_end.get()) == std::nullopt;
  });
}

// Sends signals one after the other to a StopOnSignals() that runs in a child's main thread, each
// with the time that it leaves for draining.
using DrainTimes = std::vector<std::pair<int, Nanoseconds>>;

bool SignalsLeave(const DrainTimes& signals_and_times) {
  auto signals = SignalWaiter::Block();
  const testing::FakeClock clock;
  StopEvent stop;
  Pipe done;
  std::thread user([&] {
    for (const auto& [signal, left] : signals_and_times) {
      ::kill(::getpid(), signal);
      // Signals of one kind do not queue: wait until this one has had its effect.
      while (Readable(signals.value().fd()) || !stop.requested() ||
             stop.deadline() != clock.MonotonicNow() + left) {
        std::this_thread::yield();
      }
    }
    done.write_end.Reset();
  });
  StopOnSignals(&signals.value(), clock, 5 * kNanosPerSecond, done.read_end.get(), &stop);
  user.join();
  return stop.requested() && Readable(stop.fd()) &&
         stop.deadline() == clock.MonotonicNow() + signals_and_times.back().second;
}

TEST(StopOnSignals, FirstSignalAllowsTheDrainTimeout) {
  ExpectInChild([] { return SignalsLeave({{SIGTERM, 5 * kNanosPerSecond}}); });
}

TEST(StopOnSignals, SecondInterruptAllowsNothing) {
  ExpectInChild([] { return SignalsLeave({{SIGTERM, 5 * kNanosPerSecond}, {SIGINT, 0}}); });
}

TEST(StopOnSignals, FurtherTerminationsChangeNothing) {
  ExpectInChild([] { return SignalsLeave(DrainTimes(50, {SIGTERM, 5 * kNanosPerSecond})); });
}

TEST(StopOnSignals, EndsWithoutARequestWhenTheWorkIsDone) {
  ExpectInChild([] {
    auto signals = SignalWaiter::Block();
    StopEvent stop;
    Pipe done;
    done.write_end.Reset();
    StopOnSignals(&signals.value(), SystemClock(), kLong, done.read_end.get(), &stop);
    return !stop.requested();
  });
}

}  // namespace
}  // namespace pcap_zmq
