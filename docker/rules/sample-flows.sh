#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of sample-flows.nft, by another measure, as iptables has no hash of a whole connection
# that leaves the packet's mark alone: a tenth of the clients, those with all their connections.
# Usage: sample-flows.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

# 1 in this many, at most 32.
one_in=10
# Another number picks other clients.  Drawn anew at each load: who knew it could choose an address
# that is never recorded.
seed=$((SRANDOM & 0x7fffffff))
groups=(0)

rules() {
  # Hashes the address that opened the connection, so both directions are treated alike.
  cat <<TEXT
-A PCAP_ZMQ -m cluster --cluster-total-nodes $one_in \
  --cluster-local-node 1 --cluster-hash-seed $seed -g PCAP_ZMQ_GROUP${groups[0]}
TEXT
}

main "$@"
