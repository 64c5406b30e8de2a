// SPDX-License-Identifier: MIT
#include "tests/support/tcp_flows.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "base/byte_io.h"
#include "base/unique_fd.h"
#include "tests/support/netfilter.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint32_t kClientNet = 0x7f010000;  // 127.1.0.0/16
constexpr uint32_t kServerNet = 0x7f020000;  // 127.2.0.0/16
constexpr uint16_t kServerPort = 443;
constexpr uint16_t kFirstClientPort = 30000;

// Flow `flow` from client to server, or back.  IPv6 has one loopback address, so there the ports
// alone tell the directions apart.
Bytes MakePacket(uint32_t flow, bool reply) {
  const auto client_port = static_cast<uint16_t>(kFirstClientPort + flow);
  const Ports ports = reply ? Ports{kServerPort, client_port} : Ports{client_port, kServerPort};
  const std::string body = "flow " + std::to_string(flow);
  if (flow % 2 == 1) {
    Bytes packet = Ipv6Packet(body, 1, 1, ports, kTcp);
    std::memcpy(packet.data() + 8, &in6addr_loopback, 16);
    std::memcpy(packet.data() + 24, &in6addr_loopback, 16);
    return packet;
  }
  const uint32_t client = kClientNet + 1 + flow % 250;
  const uint32_t server = kServerNet + 1 + flow % 7;
  return Ipv4Packet(body, reply ? server : client, reply ? client : server, ports, kTcp);
}

UniqueFd OpenRaw(int family) {
  UniqueFd socket(::socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  const int on = 1;
  if (family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on);
  }
  return socket;
}

bool SendRaw(int socket, const Bytes& packet) {
  sockaddr_in6 destination{};
  socklen_t length = sizeof destination;
  if (packet[0] >> 4 == 4) {
    length = sizeof(sockaddr_in);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    std::memcpy(&address.sin_addr, packet.data() + 16, 4);
    std::memcpy(&destination, &address, sizeof address);
  } else {
    destination.sin6_family = AF_INET6;
    destination.sin6_addr = in6addr_loopback;
  }
  return ::sendto(socket, packet.data(), packet.size(), 0,
                  reinterpret_cast<const sockaddr*>(&destination),
                  length) == static_cast<ssize_t>(packet.size());
}

}  // namespace

// Logged where a packet leaves, in its sender's own call: on its way through lo a busy kernel
// throws packets away before any rule of the input hook has seen them.
Status LogTcpFlows(uint16_t group) {
  const std::string log =
      " counter name logged log group " + std::to_string(group) + " snaplen 65535\n";
  return LoadRules(
      "table inet pipe {\n"
      "  counter logged {\n"
      "  }\n"
      "  chain out {\n"
      "    type filter hook output priority 0; policy accept;\n"
      "    ip saddr { 127.1.0.0/16, 127.2.0.0/16 } meta l4proto tcp" +
      log + "    meta nfproto ipv6 meta l4proto tcp" + log +
      "  }\n"
      "  chain in {\n"
      "    type filter hook input priority 0; policy accept;\n"
      "    ip saddr { 127.1.0.0/16, 127.2.0.0/16 } drop\n"
      "    meta nfproto ipv6 drop\n"
      "  }\n"
      "}\n");
}

Result<TcpFlowSender> TcpFlowSender::Open() {
  UniqueFd ipv4 = OpenRaw(AF_INET);
  UniqueFd ipv6 = OpenRaw(AF_INET6);
  if (!ipv4.valid() || !ipv6.valid()) {
    return RuntimeError("no raw sockets here: " + std::generic_category().message(errno));
  }
  return TcpFlowSender(std::move(ipv4), std::move(ipv6));
}

Status TcpFlowSender::Send(uint32_t first, uint32_t count) const {
  for (uint32_t flow = first; flow < first + count; ++flow) {
    for (const bool reply : {false, true}) {
      const UniqueFd& socket = flow % 2 == 1 ? ipv6_ : ipv4_;
      if (!SendRaw(socket.get(), MakePacket(flow, reply))) {
        return RuntimeError("cannot send a raw packet: " + std::generic_category().message(errno));
      }
    }
  }
  return {};
}

Status SendTcpFlows(uint32_t flows, uint32_t rounds) {
  const auto sender = TcpFlowSender::Open();
  if (!sender.ok()) {
    return sender.error();
  }
  Status status;
  for (uint32_t round = 0; round < rounds && status.ok(); ++round) {
    status = sender.value().Send(0, flows);
  }
  return status;
}

TcpFlowMark RecogniseTcpFlow(std::span<const uint8_t> ip_packet) {
  constexpr TcpFlowMark kForeign{UINT32_MAX, false};
  if (ip_packet.size() < 40) {
    return kForeign;
  }
  const bool ipv4 = ip_packet[0] >> 4 == 4;
  const size_t transport = ipv4 ? 20 : 40;
  if (ip_packet.size() < transport + 20) {
    return kForeign;
  }
  const auto source = LoadBe<uint16_t>(ip_packet.data() + transport);
  const auto destination = LoadBe<uint16_t>(ip_packet.data() + transport + 2);
  const bool reply = source == kServerPort;
  const uint32_t client_port = reply ? destination : source;
  if (client_port < kFirstClientPort) {
    return kForeign;
  }
  const uint32_t flow = client_port - kFirstClientPort;
  const Bytes expected = MakePacket(flow, reply);
  // The kernel fills in the IPv4 identification and header checksum.
  const bool same = expected.size() == ip_packet.size() &&
                    std::memcmp(expected.data() + transport, ip_packet.data() + transport,
                                expected.size() - transport) == 0;
  return same ? TcpFlowMark{flow, reply} : kForeign;
}

}  // namespace pcap_zmq::testing
