// SPDX-License-Identifier: MIT
//
// Many TCP flows, both directions, from packets made by hand.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace pcap_zmq::testing {

/// Logs TCP between the addresses of SendTcpFlows() to NFLOG group `group` and drops it.
Status LogTcpFlows(uint16_t group);

/// Sends packets of TCP flows through lo's raw sockets; every other flow is IPv6.
class TcpFlowSender {
 public:
  /// The numbers of flows are below this.
  static constexpr uint32_t kMaxFlows = 30'000;

  /// Errors:  kRuntime when raw sockets are not permitted.
  static Result<TcpFlowSender> Open();

  /// A packet of each direction of flows `first` to `first + count - 1`.
  Status Send(uint32_t first, uint32_t count) const;

 private:
  TcpFlowSender(UniqueFd ipv4, UniqueFd ipv6) : ipv4_(std::move(ipv4)), ipv6_(std::move(ipv6)) {}

  UniqueFd ipv4_;
  UniqueFd ipv6_;
};

/// Sends `rounds` packets of each direction of each of `flows` TCP flows.
/// Errors:  as TcpFlowSender.
Status SendTcpFlows(uint32_t flows, uint32_t rounds);

/// Which flow and direction a captured packet of SendTcpFlows() belongs to.
struct TcpFlowMark {
  uint32_t flow = 0;
  bool reply = false;
};

/// Errors:  a flow of UINT32_MAX for packets that SendTcpFlows() does not send.
TcpFlowMark RecogniseTcpFlow(std::span<const uint8_t> ip_packet);

}  // namespace pcap_zmq::testing
