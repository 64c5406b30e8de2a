// SPDX-License-Identifier: MIT
//
// Many TCP flows, both directions, from packets made by hand.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"

namespace pcap_zmq::testing {

/// Logs TCP between the addresses of SendTcpFlows() to NFLOG group `group` and drops it.
Status LogTcpFlows(uint16_t group);

/// Sends `rounds` packets of each direction of each of `flows` TCP flows through lo's raw sockets;
/// every other flow is IPv6.
/// Errors:  kRuntime when raw sockets are not permitted.
Status SendTcpFlows(uint32_t flows, uint32_t rounds);

/// Which flow and direction a captured packet of SendTcpFlows() belongs to.
struct TcpFlowMark {
  uint32_t flow = 0;
  bool reply = false;
};

/// Errors:  a flow of UINT32_MAX for packets that SendTcpFlows() does not send.
TcpFlowMark RecogniseTcpFlow(std::span<const uint8_t> ip_packet);

}  // namespace pcap_zmq::testing
