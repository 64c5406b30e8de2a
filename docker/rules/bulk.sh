#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of bulk.nft: logs what is forwarded but for given services on given servers.
# Usage: bulk.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

bulk4=(192.0.2.10 192.0.2.11)
bulk6=(2001:db8:0:2::10)
# rsync, NFS, iSCSI
bulk_tcp=(873 2049 3260)
groups=(0)

rules() {
  local server port
  # Address and port of the side that was connected to, in both directions.
  for port in "${bulk_tcp[@]}"; do
    for server in "${bulk4[@]}"; do
      echo "-4 -A PCAP_ZMQ $(service "$server" "$port") -j RETURN"
    done
    for server in "${bulk6[@]}"; do
      echo "-6 -A PCAP_ZMQ $(service "$server" "$port") -j RETURN"
    done
  done
  echo "-A PCAP_ZMQ -g PCAP_ZMQ_GROUP${groups[0]}"
}

service() {  # SERVER PORT
  echo "-p tcp -m conntrack --ctproto tcp --ctreplsrc $1 --ctreplsrcport $2"
}

main "$@"
