// SPDX-License-Identifier: MIT
//
// Whether this host has IPv6, found out without the code under test.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/unique_fd.h"

namespace pcap_zmq::testing {

/// Whether the kernel lets a TCP socket have this address.
inline bool CanBindIpv6(const in6_addr& address) {
  const UniqueFd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 here{};
  here.sin6_family = AF_INET6;
  here.sin6_addr = address;
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0;
}

}  // namespace pcap_zmq::testing
