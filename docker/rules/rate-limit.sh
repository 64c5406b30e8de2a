#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of rate-limit.nft: logs what is forwarded up to a number of packets a second.  A limit
# for IPv4 and another for IPv6, unlike nft's, which is one for both.
# Usage: rate-limit.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

rate=20000/second
burst=10000
groups=(0)

rules() {
  # hashlimit without a mode is one limit for all; "-m limit" ends at 10,000 a second.
  cat <<TEXT
-A PCAP_ZMQ -m hashlimit --hashlimit-name pcap_zmq \
  --hashlimit-upto $rate --hashlimit-burst $burst -g PCAP_ZMQ_GROUP${groups[0]}
TEXT
}

main "$@"
