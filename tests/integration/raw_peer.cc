// SPDX-License-Identifier: MIT
#include "tests/integration/raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/byte_io.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {
namespace {

bool WaitFor(int fd, int16_t events, std::chrono::milliseconds deadline) {
  pollfd waiting{.fd = fd, .events = events, .revents = 0};
  return ::poll(&waiting, 1, static_cast<int>(deadline.count())) == 1;
}

}  // namespace

std::string ZmtpGreeting() {
  std::string greeting(64, '\0');
  greeting[0] = '\xff';
  greeting[9] = '\x7f';
  greeting[10] = 3;
  greeting.replace(12, 4, "NULL");
  return greeting;
}

std::string ZmtpReady() {
  using std::string_literals::operator""s;
  const std::string body = "\x05READY\x0bSocket-Type\0\0\0\x04PUSH"s;
  return "\x04"s + static_cast<char>(body.size()) + body;
}

std::string ZmtpLongFrame(uint64_t size) {
  std::string header(9, '\2');
  StoreBe<uint64_t>(reinterpret_cast<uint8_t*>(header.data() + 1), size);
  return header;
}

RawPeer::RawPeer(uint16_t port)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  // Its outcome is what the other functions tell.
  static_cast<void>(
      ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

bool RawPeer::WaitUntilConnected(std::chrono::milliseconds deadline) const {
  int error = 0;
  socklen_t length = sizeof error;
  return WaitFor(fd_.get(), POLLOUT, deadline) &&
         ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

bool RawPeer::Send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if ((errno != EAGAIN && errno != EINTR) || !WaitFor(fd_.get(), POLLOUT, kGenerously)) {
      return false;
    }
  }
  return true;
}

bool RawPeer::Skip(size_t size) const {
  std::array<char, 256> bytes{};
  while (size > 0) {
    const ssize_t got = WaitFor(fd_.get(), POLLIN, kGenerously)
                            ? ::recv(fd_.get(), bytes.data(), std::min(size, bytes.size()), 0)
                            : 0;
    if (got <= 0) {
      return false;
    }
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool RawPeer::Closed() const {
  std::array<char, 4096> bytes{};
  ssize_t got = 0;
  do {
    got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
  } while (got > 0 || (got < 0 && errno == EINTR));
  return got == 0 || (errno != EAGAIN && errno != ENOTCONN);
}

void RawPeer::Abort() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd_.Reset();
}

}  // namespace pcap_zmq::testing
