#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of rate-limit-per-host.nft: so many packets a second from each source address.
# Usage: rate-limit-per-host.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

rate=1000/second
burst=2000
groups=(0)

rules() {
  # At most 65,536 hosts are remembered, each until it has been silent for a minute.
  cat <<TEXT
-A PCAP_ZMQ -m hashlimit --hashlimit-name pcap_zmq_host --hashlimit-mode srcip \
  --hashlimit-upto $rate --hashlimit-burst $burst \
  --hashlimit-htable-max 65536 --hashlimit-htable-expire 60000 \
  -g PCAP_ZMQ_GROUP${groups[0]}
TEXT
}

main "$@"
