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

}  // namespace pcap_zmq
