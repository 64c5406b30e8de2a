// SPDX-License-Identifier: MIT
//
// What a service manager such as systemd hears of the program: that it is ready, what it does, that
// it still moves, and that it ends.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <optional>
#include <string>
#include <string_view>

#include "app/thread_watch.h"
#include "base/clock.h"
#include "base/stop_event.h"
#include "base/unique_fd.h"

namespace pcap_zmq {

/// Sends datagrams of the sd_notify protocol.
///
/// Without somebody who listens, and when they cannot be sent, nothing happens.
/// Threads: one.
/// Source:  sd_notify(3), sd_watchdog_enabled(3).
class ServiceNotifier {
 public:
  /// Reads NOTIFY_SOCKET (a path, or a name in the abstract namespace after "@"), WATCHDOG_USEC and
  /// WATCHDOG_PID.
  static ServiceNotifier FromEnvironment(const char* const* envp);

  /// How often Ping() is expected; 0: never.
  Nanoseconds watchdog_interval() const { return watchdog_interval_; }

  void Ready(std::string_view status);
  void Status(std::string_view status);
  void Ping();
  void Stopping();

 private:
  void Send(const std::string& message);

  UniqueFd socket_;
  sockaddr_un address_{};
  socklen_t address_length_ = 0;
  Nanoseconds watchdog_interval_ = 0;
};

/// The main thread's work while others carry packets: it watches them, tells the service manager,
/// and logs a thread that stalls, once.
/// Threads: one.
class ServiceReporter {
 public:
  /// Borrows everything for its life.
  ServiceReporter(ServiceNotifier* notifier, const ThreadWatch* watch, const StopEvent* stop)
      : notifier_(notifier), watch_(watch), stop_(stop) {}

  /// The program works; `status` says at what: "reading nflog:0, sending to tcp://ids:1234".
  void Started(std::string status);

  /// Reports, then waits for `done_fd` until it is time to report again, or `at_most` (0: without
  /// limit) is over; true once it is readable.
  bool WaitFor(int done_fd, Nanoseconds at_most);

  /// The reporting of one turn.
  void Report();

 private:
  ServiceNotifier* const notifier_;
  const ThreadWatch* const watch_;
  const StopEvent* const stop_;
  std::string status_;
  bool stalled_ = false;
  bool stopping_ = false;
};

}  // namespace pcap_zmq
