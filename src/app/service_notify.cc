// SPDX-License-Identifier: MIT
#include "app/service_notify.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace pcap_zmq {
namespace {

// How late a stall may be noticed by the log and the service manager.
constexpr Nanoseconds kReportInterval = kNanosPerSecond;

std::string_view Variable(const char* const* envp, std::string_view name) {
  for (; *envp != nullptr; ++envp) {
    const std::string_view variable(*envp);
    if (variable.starts_with(name) && variable.substr(name.size()).starts_with('=')) {
      return variable.substr(name.size() + 1);
    }
  }
  return {};
}

std::optional<int64_t> Number(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional<int64_t>(number)
                                                                  : std::nullopt;
}

Nanoseconds WatchdogInterval(const char* const* envp) {
  const std::string_view pid = Variable(envp, "WATCHDOG_PID");
  const std::optional<int64_t> micros = Number(Variable(envp, "WATCHDOG_USEC"));
  // Meant for another process, which has handed its environment on.
  if ((!pid.empty() && Number(pid) != ::getpid()) || !micros) {
    return 0;
  }
  return std::clamp<int64_t>(*micros, 0, INT64_MAX / kNanosPerMicro) * kNanosPerMicro;
}

}  // namespace

ServiceNotifier ServiceNotifier::FromEnvironment(const char* const* envp) {
  ServiceNotifier notifier;
  const std::string_view name = Variable(envp, "NOTIFY_SOCKET");
  if (name.size() < 2 || name.size() > sizeof notifier.address_.sun_path ||
      (name.front() != '/' && name.front() != '@')) {
    return notifier;
  }
  notifier.address_.sun_family = AF_UNIX;
  std::memcpy(notifier.address_.sun_path, name.data(), name.size());
  // An abstract name begins with a zero byte and ends with the address.
  if (name.front() == '@') {
    notifier.address_.sun_path[0] = '\0';
  }
  notifier.address_length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  notifier.socket_.Reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  notifier.watchdog_interval_ = WatchdogInterval(envp);
  return notifier;
}

void ServiceNotifier::Ready(std::string_view status) {
  Send("READY=1\nSTATUS=" + std::string(status));
}

void ServiceNotifier::Status(std::string_view status) {
  Send("STATUS=" + std::string(status));
}

void ServiceNotifier::Ping() {
  Send("WATCHDOG=1");
}

void ServiceNotifier::Stopping() {
  Send("STOPPING=1\nSTATUS=stopping");
}

void ServiceNotifier::Send(const std::string& message) {
  if (!socket_.valid()) {
    return;
  }
  const auto* address = reinterpret_cast<const sockaddr*>(&address_);
  // A manager that is busy or gone is no reason to wait: the next report comes soon.
  [[maybe_unused]] const ssize_t sent = ::sendto(socket_.get(), message.data(), message.size(),
                                                 MSG_NOSIGNAL, address, address_length_);
}

void ServiceReporter::Started(std::string status) {
  status_ = std::move(status);
  notifier_->Ready(status_);
}

void ServiceReporter::Report() {
  if (stop_->requested() && !std::exchange(stopping_, true)) {
    notifier_->Stopping();
  }
  const std::optional<std::string> stalled = watch_->Stalled();
  if (stalled.has_value() != stalled_) {
    stalled_ = stalled.has_value();
    Log(stalled_ ? LogLevel::kError : LogLevel::kInfo,
        stalled_ ? *stalled : "all threads move again");
    notifier_->Status(stalled_ ? *stalled : status_);
  }
  if (!stalled_ && notifier_->watchdog_interval() > 0) {
    notifier_->Ping();
  }
}

bool ServiceReporter::WaitFor(int done_fd, Nanoseconds at_most) {
  Report();
  Nanoseconds wait = kReportInterval;
  if (notifier_->watchdog_interval() > 0) {
    // Three times in each interval: one may come late, and one get lost.
    wait = std::min(wait, notifier_->watchdog_interval() / 3);
  }
  if (at_most > 0) {
    wait = std::min(wait, at_most);
  }
  // Once raised, the stop event stays readable and would turn the wait into a spin.
  std::array<pollfd, 2> waits = {pollfd{done_fd, POLLIN, 0},
                                 pollfd{stopping_ ? -1 : stop_->fd(), POLLIN, 0}};
  const timespec limit{static_cast<time_t>(wait / kNanosPerSecond),
                       static_cast<long>(wait % kNanosPerSecond)};
  return ::ppoll(waits.data(), waits.size(), &limit, nullptr) > 0 && waits[0].revents != 0;
}

}  // namespace pcap_zmq
