// SPDX-License-Identifier: MIT
#include "transport/peer_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <iterator>

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

std::string AddressGroup(const std::string& address) {
  const size_t zone = std::min(address.find('%'), address.size());
  in6_addr ip{};
  if (::inet_pton(AF_INET6, address.substr(0, zone).c_str(), &ip) != 1) {
    return address;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (IN6_IS_ADDR_V4MAPPED(&ip)) {
    ::inet_ntop(AF_INET, &ip.s6_addr[12], text.data(), text.size());
    return text.data();
  }
  std::fill(std::begin(ip.s6_addr) + 8, std::end(ip.s6_addr), uint8_t{0});
  ::inet_ntop(AF_INET6, &ip, text.data(), text.size());
  return text.data() + address.substr(zone) + "/64";
}

}  // namespace pcap_zmq
