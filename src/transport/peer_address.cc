// SPDX-License-Identifier: MIT
#include "transport/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

namespace pcap_zmq {

std::string PeerAddress(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return {};
  }
  const void* bytes = nullptr;
  if (address.ss_family == AF_INET) {
    bytes = &reinterpret_cast<const sockaddr_in*>(&address)->sin_addr;
  } else if (address.ss_family == AF_INET6) {
    bytes = &reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr;
  } else {
    return kLocalPeer;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(address.ss_family, bytes, text.data(), text.size());
  return text.data();
}

}  // namespace pcap_zmq
