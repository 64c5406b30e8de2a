#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of own-stream-user.nft: logs the gateway's own traffic but for the pipe's stream, known
# by the user that pcap-zmq-send runs as (--user).
# Usage: own-stream-user.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

# Must be the sender's alone: everything that this user sends is left out.
sender_user=nobody
# One bit of the connection mark, which nothing else on this machine may use.
own_bit=0x01000000
hooks=("INPUT PCAP_ZMQ" "OUTPUT PCAP_ZMQ_OUT")
groups=(0)

rules() {
  # Only OUTPUT knows the owner; the mark tells INPUT.
  cat <<TEXT
-A PCAP_ZMQ_OUT -o lo -j RETURN
-A PCAP_ZMQ_OUT -m owner --uid-owner $sender_user -j CONNMARK --set-xmark $own_bit/$own_bit
-A PCAP_ZMQ_OUT -g PCAP_ZMQ
-A PCAP_ZMQ -i lo -j RETURN
-A PCAP_ZMQ -m connmark --mark $own_bit/$own_bit -j RETURN
-A PCAP_ZMQ -g PCAP_ZMQ_GROUP${groups[0]}
TEXT
}

main "$@"
