#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of elephants.nft: logs the first bytes of each forwarded connection, both directions
# together.  Loading switches conntrack's accounting on for connections that begin from then on.
# Usage: elephants.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

cutoff_bytes=1048576
groups=(0)

rules() {
  # Written as what to leave out: "--connbytes 0:N -g" would not match, and so lose, whatever
  # conntrack does not count (older connections, untracked packets).
  cat <<TEXT
-A PCAP_ZMQ -m connbytes --connbytes $cutoff_bytes: \
  --connbytes-dir both --connbytes-mode bytes -j RETURN
-A PCAP_ZMQ -g PCAP_ZMQ_GROUP${groups[0]}
TEXT
}

main "$@"
