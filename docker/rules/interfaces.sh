#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of interfaces.nft: logs what is forwarded from and to the networks behind some interfaces,
# both directions, each packet once.  docs/rules.md explains this and the other files here.
# Usage: interfaces.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

# The interfaces of the home side; wg+ stands for all whose names begin with wg.
home=(lan0 wg+)
groups=(0)

rules() {
  local interface
  # -g, not -j: what goes from one home interface to another must not be logged twice.
  for interface in "${home[@]}"; do
    echo "-A PCAP_ZMQ -i $interface -g PCAP_ZMQ_GROUP${groups[0]}"
    echo "-A PCAP_ZMQ -o $interface -g PCAP_ZMQ_GROUP${groups[0]}"
  done
}

main "$@"
