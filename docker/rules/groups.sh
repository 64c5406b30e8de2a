#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of groups.nft, by another measure: spreads the clients, with all their connections in
# both directions, over NFLOG groups, for pcap-zmq-send 0,1 --pump-per-group.  groups-hmark.sh
# spreads connections, but needs the packet's mark.
# Usage: groups.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

# At most 32.
groups=(0 1)
# Another number makes another division.
seed=2012

rules() {
  local i count=${#groups[@]}
  # Hashes the address that opened the connection, so both directions are treated alike.
  for ((i = 1; i < count; ++i)); do
    echo "-A PCAP_ZMQ -m cluster --cluster-total-nodes $count --cluster-local-node $i" \
      "--cluster-hash-seed $seed -g PCAP_ZMQ_GROUP${groups[i - 1]}"
  done
  # What is left is the last node's, and what conntrack does not know, which matches no node.
  echo "-A PCAP_ZMQ -g PCAP_ZMQ_GROUP${groups[count - 1]}"
}

main "$@"
