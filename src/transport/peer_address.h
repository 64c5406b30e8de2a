// SPDX-License-Identifier: MIT
//
// Whom a connection leads to, in words.
#pragma once

#include <string>

namespace pcap_zmq {

/// What peers are called that have no address: those of ipc: endpoints.
inline constexpr char kLocalPeer[] = "a process of this host";

/// The IP address of the other end of socket `fd`, kLocalPeer, or nothing when there is no other
/// end (any more).
std::string PeerAddress(int fd);

/// What of `address`, as PeerAddress() gives it, tells apart those who share out connections: of an
/// IPv6 address its /64, as one host can have all the addresses in there, an IPv4 address even if
/// it is mapped into IPv6, and anything else as it is.
std::string AddressGroup(const std::string& address);

}  // namespace pcap_zmq
