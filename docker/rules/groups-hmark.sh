#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Another twin of groups.nft: spreads connections over NFLOG groups with HMARK, which writes the
# hash into the packet's mark and takes away what was there.  Not for gateways that use marks
# (policy routing, traffic control, VPNs, Kubernetes): take groups.sh there.
# Usage: groups-hmark.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

groups=(0 1)
# Marks from here on are ours.
first_mark=0x7a00

rules() {
  local i count=${#groups[@]}
  # Sorts the two ends before it hashes them, so both directions get the same mark.
  echo "-A PCAP_ZMQ -j HMARK --hmark-tuple src,dst,sport,dport,proto --hmark-mod $count" \
    "--hmark-offset $first_mark --hmark-rnd 0x2012"
  for ((i = 0; i < count; ++i)); do
    printf -- '-A PCAP_ZMQ -m mark --mark 0x%x -j PCAP_ZMQ_GROUP%d\n' \
      $((first_mark + i)) "${groups[i]}"
  done
  echo "-A PCAP_ZMQ -j MARK --set-mark 0"
}

main "$@"
