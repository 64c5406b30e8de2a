#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of gateway.nft: the home networks, without the pipe's own stream, without what is
# encrypted, without the tails of large connections, in two groups.
# Usage: gateway.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

home4=192.0.2.0/24,198.51.100.0/24
home6=2001:db8::/32
ids4=203.0.113.2
ids6=2001:db8:ffff:3::2
zmq_port=1234
encrypted_tcp=(22 443 853 993)
encrypted_udp=(443 853 4500 51820)
cutoff_bytes=1048576
groups=(0 1)
seed=2012

rules() {
  leave_out
  cat <<TEXT
-4 -A PCAP_ZMQ -s $home4 -g PCAP_ZMQ_LOG
-4 -A PCAP_ZMQ -d $home4 -g PCAP_ZMQ_LOG
-6 -A PCAP_ZMQ -s $home6 -g PCAP_ZMQ_LOG
-6 -A PCAP_ZMQ -d $home6 -g PCAP_ZMQ_LOG
TEXT
  spread
}

leave_out() {
  local port
  cat <<TEXT
-4 -A PCAP_ZMQ -p tcp -d $ids4 --dport $zmq_port -j RETURN
-4 -A PCAP_ZMQ -p tcp -s $ids4 --sport $zmq_port -j RETURN
-6 -A PCAP_ZMQ -p tcp -d $ids6 --dport $zmq_port -j RETURN
-6 -A PCAP_ZMQ -p tcp -s $ids6 --sport $zmq_port -j RETURN
TEXT
  for port in "${encrypted_tcp[@]}"; do
    echo "-A PCAP_ZMQ -p tcp -m conntrack --ctproto tcp --ctreplsrcport $port -j RETURN"
  done
  for port in "${encrypted_udp[@]}"; do
    echo "-A PCAP_ZMQ -p udp -m conntrack --ctproto udp --ctreplsrcport $port -j RETURN"
  done
  cat <<TEXT
-A PCAP_ZMQ -p esp -j RETURN
-A PCAP_ZMQ -m connbytes --connbytes $cutoff_bytes: \
  --connbytes-dir both --connbytes-mode bytes -j RETURN
TEXT
}

spread() {
  local i count=${#groups[@]}
  for ((i = 1; i < count; ++i)); do
    echo "-A PCAP_ZMQ_LOG -m cluster --cluster-total-nodes $count --cluster-local-node $i" \
      "--cluster-hash-seed $seed -g PCAP_ZMQ_GROUP${groups[i - 1]}"
  done
  echo "-A PCAP_ZMQ_LOG -g PCAP_ZMQ_GROUP${groups[count - 1]}"
}

main "$@"
