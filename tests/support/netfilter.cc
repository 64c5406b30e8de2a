// SPDX-License-Identifier: MIT
#include "tests/support/netfilter.h"

#include <cstdlib>
#include <fstream>

#include "tests/support/process.h"

namespace pcap_zmq::testing {

Status LoadRules(const std::string& ruleset) {
  return RunOrFail({"nft", "-f", "-"}, ruleset);
}

Status LogTestTraffic(uint16_t ipv4_group, uint16_t ipv6_group) {
  const std::string port = "udp dport " + std::to_string(kLoggedPort);
  return LoadRules(
      "table inet pipe {\n"
      "  counter logged {\n"
      "  }\n"
      "  chain in {\n"
      "    type filter hook input priority 0; policy accept;\n"
      "    " +
      port +
      " counter name logged\n"
      "    meta nfproto ipv4 " +
      port + " log group " + std::to_string(ipv4_group) +
      " snaplen 65535\n"
      "    meta nfproto ipv6 " +
      port + " log group " + std::to_string(ipv6_group) +
      " snaplen 65535\n"
      "    " +
      port +
      " drop\n"
      "  }\n"
      "}\n");
}

Result<uint64_t> LoggedPackets() {
  const auto outcome = RunCommand({"nft", "list", "counter", "inet", "pipe", "logged"});
  if (!outcome.ok()) {
    return outcome.error();
  }
  const std::string& text = outcome.value().out;
  const size_t at = text.find("packets ");
  if (outcome.value().status != 0 || at == std::string::npos) {
    return RuntimeError("cannot read the rule's counter: " + text + outcome.value().err);
  }
  return std::strtoull(text.c_str() + at + 8, nullptr, 10);
}

Result<uint64_t> PacketsDroppedOnLoopback() {
  // "lo:" and, of what was received: bytes, packets, errors, dropped.
  std::ifstream table("/proc/thread-self/net/dev");
  for (std::string word; table >> word;) {
    uint64_t bytes = 0;
    uint64_t packets = 0;
    uint64_t errors = 0;
    uint64_t dropped = 0;
    if (word == "lo:" && table >> bytes >> packets >> errors >> dropped) {
      return dropped;
    }
  }
  return RuntimeError("/proc/thread-self/net/dev has no counters of lo");
}

}  // namespace pcap_zmq::testing
