#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The twin of encrypted.nft: logs what is forwarded but for TLS, QUIC, SSH, ESP and WireGuard.
# Usage: encrypted.sh load|unload|show
set -euo pipefail
# shellcheck source=docker/rules/iptables-lib
. "$(dirname "$(readlink -f "$0")")/iptables-lib"

encrypted_tcp=(22 443 853 993)
# QUIC, DNS over QUIC, IPsec through NAT, WireGuard
encrypted_udp=(443 853 4500 51820)
groups=(0)

rules() {
  local port
  # The port of the side that was connected to, in both directions, also behind DNAT.  With
  # "--sport 443" instead, an attacker would hide by connecting from port 443.
  for port in "${encrypted_tcp[@]}"; do
    echo "-A PCAP_ZMQ -p tcp -m conntrack --ctproto tcp --ctreplsrcport $port -j RETURN"
  done
  for port in "${encrypted_udp[@]}"; do
    echo "-A PCAP_ZMQ -p udp -m conntrack --ctproto udp --ctreplsrcport $port -j RETURN"
  done
  echo "-A PCAP_ZMQ -p esp -j RETURN"
  echo "-A PCAP_ZMQ -g PCAP_ZMQ_GROUP${groups[0]}"
}

main "$@"
