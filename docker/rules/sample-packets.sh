#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of sample-packets.nft: logs a tenth of the forwarded packets, at random.
# Usage: sample-packets.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

probability=0.1
groups=(0)

rules() {
  echo "-A PCAP_ZMQ -m statistic --mode random --probability $probability" \
    "-g PCAP_ZMQ_GROUP${groups[0]}"
}

main "$@"
