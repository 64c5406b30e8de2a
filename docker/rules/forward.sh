#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of forward.nft: logs what is forwarded from and to the home networks, both directions,
# each packet once, by address.  docs/rules.md explains this and the other files here.
# Usage: forward.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

home4=192.0.2.0/24,198.51.100.0/24
home6=2001:db8::/32
groups=(0)

rules() {
  # -g, not -j: what goes from one home network to another must not be logged twice.
  cat <<TEXT
-4 -A PCAP_ZMQ -s $home4 -g PCAP_ZMQ_GROUP${groups[0]}
-4 -A PCAP_ZMQ -d $home4 -g PCAP_ZMQ_GROUP${groups[0]}
-6 -A PCAP_ZMQ -s $home6 -g PCAP_ZMQ_GROUP${groups[0]}
-6 -A PCAP_ZMQ -d $home6 -g PCAP_ZMQ_GROUP${groups[0]}
TEXT
}

main "$@"
