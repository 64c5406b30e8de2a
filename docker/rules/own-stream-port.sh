#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of own-stream-port.nft: logs what is forwarded but for the pipe's own stream, known by
# the IDS host's address and port.
# Usage: own-stream-port.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

ids4=203.0.113.2
ids6=2001:db8:ffff:3::2
zmq_port=1234
groups=(0)

rules() {
  # The address as well as the port: else any host hides behind the port.
  cat <<TEXT
-4 -A PCAP_ZMQ -p tcp -d $ids4 --dport $zmq_port -j RETURN
-4 -A PCAP_ZMQ -p tcp -s $ids4 --sport $zmq_port -j RETURN
-6 -A PCAP_ZMQ -p tcp -d $ids6 --dport $zmq_port -j RETURN
-6 -A PCAP_ZMQ -p tcp -s $ids6 --sport $zmq_port -j RETURN
-A PCAP_ZMQ -g PCAP_ZMQ_GROUP${groups[0]}
TEXT
}

main "$@"
