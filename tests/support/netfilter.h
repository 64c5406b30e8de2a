// SPDX-License-Identifier: MIT
//
// Rules that hand the tests' packets to NFLOG groups, and the kernel's own count of them.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace pcap_zmq::testing {

/// The UDP port that LogTestTraffic() logs.
inline constexpr uint16_t kLoggedPort = 9;

/// Loads a ruleset in nft's language into the namespace.
/// Errors:  kRuntime with nft's words.
Status LoadRules(const std::string& ruleset);

/// Logs what arrives for UDP port kLoggedPort: IPv4 to `ipv4_group`, IPv6 to `ipv6_group`, and then
/// drops it, so that nothing answers.  On the INPUT hook, where the kernel stamps packets.
Status LogTestTraffic(uint16_t ipv4_group = 0, uint16_t ipv6_group = 1);

/// Packets that the rules of LogTestTraffic() have logged, or that went through a `counter name
/// logged` in `table inet pipe`.
/// Errors:  kRuntime with nft's words.
Result<uint64_t> LoggedPackets();

/// Packets of any kind that lo threw away because its queue was full, before a rule could see them.
Result<uint64_t> PacketsDroppedOnLoopback();

}  // namespace pcap_zmq::testing
