// SPDX-License-Identifier: MIT
//
// Endpoint names: whether a sender can reach them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace pcap_zmq {

/// What name resolution says of a sender's endpoint at start-up.
struct ResolvedEndpoint {
  bool ipv6_only = false;       ///< the host has IPv6 addresses alone
  bool unresolved_yet = false;  ///< the name service did not answer; ZeroMQ will ask again
};

/// Looks up the host of "tcp://host:port"; other transports resolve to nothing special.
/// Errors:  kConfig when the name service says that there is no such host.
Result<ResolvedEndpoint> ResolveEndpoint(const std::string& endpoint);

/// Whether `endpoint` has a host name, which may stand for several addresses.
bool HasHostName(const std::string& endpoint);

/// The endpoints of all addresses that the host of a "tcp://host:port" has: of IPv4 if there are
/// any, else of IPv6; sorted, each once.  May take as long as the name service does.
/// Errors:  kRuntime when there is no answer, no such host or no address.
Result<std::vector<std::string>> ResolveAddresses(const std::string& endpoint);

/// Whether `endpoint` spells an IPv6 address, for which a socket must be told to use IPv6.
bool IsIpv6Literal(const std::string& endpoint);

}  // namespace pcap_zmq
