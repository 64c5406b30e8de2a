// SPDX-License-Identifier: MIT
#include "transport/peer_address.h"

#include <netdb.h>
#include <sys/socket.h>

#include <array>

namespace pcap_zmq {

std::string PeerAddress(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return {};
  }
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) {
    return kLocalPeer;
  }
  // As ZeroMQ writes it, with the zone of a link-local address.
  std::array<char, NI_MAXHOST> text{};
  ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, text.data(), text.size(),
                nullptr, 0, NI_NUMERICHOST);
  return text.data();
}

}  // namespace pcap_zmq
