#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of own-stream-dscp.nft: logs what is forwarded but for the pipe's own stream, known by a
# DSCP that the sender's machine puts on it (PORT is the stream's), there with ip6tables as well:
#   iptables -t mangle -A OUTPUT -p tcp --dport PORT -j DSCP --set-dscp-class cs1
# Usage: own-stream-dscp.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

ids4=203.0.113.2
ids6=2001:db8:ffff:3::2
dscp=cs1
# One bit of the connection mark, which nothing else on this machine may use.
own_bit=0x01000000
groups=(0)

rules() {
  # Towards the IDS host only: any host can write a DSCP, and would be invisible.
  cat <<TEXT
-4 -A PCAP_ZMQ -d $ids4 -m dscp --dscp-class $dscp -j CONNMARK --set-xmark $own_bit/$own_bit
-6 -A PCAP_ZMQ -d $ids6 -m dscp --dscp-class $dscp -j CONNMARK --set-xmark $own_bit/$own_bit
-A PCAP_ZMQ -m connmark --mark $own_bit/$own_bit -j RETURN
-A PCAP_ZMQ -g PCAP_ZMQ_GROUP${groups[0]}
TEXT
}

main "$@"
