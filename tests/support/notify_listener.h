// SPDX-License-Identifier: MIT
//
// A service manager's ear: the socket that NOTIFY_SOCKET names.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {

/// Hears what programs report.
/// Threads: one.
class NotifyListener {
 public:
  /// `name` as NOTIFY_SOCKET has it: a path, or "@" and an abstract name.
  explicit NotifyListener(std::string name)
      : name_(std::move(name)), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    if (name_.front() == '@') {
      address.sun_path[0] = '\0';
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
      std::abort();
    }
  }

  const std::string& name() const { return name_; }

  /// The next report; nullopt when none comes within `deadline`.
  std::optional<std::string> Next(std::chrono::milliseconds deadline = kGenerously) const {
    pollfd waiting{socket_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(deadline.count())) <= 0) {
      return std::nullopt;
    }
    std::array<char, 4096> buffer{};
    const ssize_t length = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return length < 0 ? std::nullopt
                      : std::optional(std::string(buffer.data(), static_cast<size_t>(length)));
  }

  /// Passes over reports until one holds `text`; false when none does.
  bool Hears(const std::string& text) const {
    return WaitUntil([&] {
      const std::optional<std::string> report = Next(std::chrono::milliseconds(0));
      return report.has_value() && report->find(text) != std::string::npos;
    });
  }

 private:
  const std::string name_;
  UniqueFd socket_;
};

}  // namespace pcap_zmq::testing
