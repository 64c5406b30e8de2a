#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Receiver, IDS and gateway are restarted, one after the other, under load: alerts flow again, after a
# time that is printed, and in the end every packet is accounted for, hop by hop.
# Usage: restart_test.sh ROOT
set -uo pipefail
root=$1
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/deploy/containers/engine_lib.sh
. "$here/engine_lib.sh"
require_engine
readonly packets_per_second=2000

load=0
stop_load() {
  ((load == 0)) || { kill "$load" && wait "$load"; } 2>/dev/null
  load=0
}
start_load() {
  start_in_client "$here/load.py" send "$server_ip" "$packets_per_second"
  load=$!
}

cleanup() {
  local status=$?
  stop_load
  ((status == 0)) || { compose logs --no-color 2>&1 | tail -n 60; declare -p v logged captured; }
  compose down --volumes --timeout 3 >/dev/null 2>&1
  remove_gateway
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Both laws of the programs, and the kernel's.
sender=pcap_zmq_sender receiver=pcap_zmq_receiver
figures() {
  local name
  for name in packets_total sent_packets_total dropped_packets_total held_packets buffered_packets \
    kernel_lost_packets_total; do
    printf '%s=%s\n' "$name" "$(metric 9477 "${sender}_$name")"
  done
  for name in packets_total lost_packets_total late_packets_total unseen_packets_total \
    sink_packets_total sink_dropped_packets_total sink_queued_packets; do
    printf 'receiver_%s=%s\n' "$name" "$(metric 9478 "${receiver}_$name")"
  done
  printf 'logged=%s\n' "$(nft list table inet test_gateway |
    sed -n 's/.*counter packets \([0-9]*\).*/\1/p')"
}

# Counts of the figures, by name, and whether all laws hold for them.
declare -A v=()
logged=0 captured=0
laws_hold() {  # SENT-BEFORE CAPTURED-BEFORE
  local name value
  while IFS='=' read -r name value; do
    v[$name]=${value:-0}
  done < <(figures)
  logged=${v[logged]}
  captured=$((v[packets_total] + v[kernel_lost_packets_total] + $2))
  ((v[packets_total] == v[sent_packets_total] + v[dropped_packets_total] + v[held_packets] +
    v[buffered_packets] &&
    $1 + v[sent_packets_total] == v[receiver_packets_total] + v[receiver_lost_packets_total] -
    v[receiver_late_packets_total] + v[receiver_unseen_packets_total] &&
    v[receiver_packets_total] == v[receiver_sink_packets_total] +
    v[receiver_sink_dropped_packets_total] + v[receiver_sink_queued_packets]))
}
all_captured() {  # SENT-BEFORE CAPTURED-BEFORE
  laws_hold "$@" && ((logged == captured))
}

# $1: what must hold; then what gateways before this one had sent, and all that they had taken over from
# the kernel.
check_ledger() {  # LAWS SENT-BEFORE CAPTURED-BEFORE
  await 60 "the ledger to close" "$@"
  declare -p v logged captured
  ((v[receiver_packets_total] > 1000)) || fail "only ${v[receiver_packets_total]} packets came"
}

restart() {  # SERVICE
  local took container started
  compose restart "$1" >/dev/null 2>&1 || fail "cannot restart $1"
  container=$(compose ps --quiet "$1")
  started=$(date -d "$(docker inspect --format '{{.State.StartedAt}}' "$container")" +%s.%N)
  took=$(in_client "$here/load.py" resume "$(eve_file)" "$server_ip" "$started") ||
    fail "$1 restarted: $took"
  echo "$1 restarted: alerts again $took s after its start"
  kill -0 "$load" 2>/dev/null || fail "the load ended"
}

# What a gateway said of itself when it ended: captured, sent and lost in the kernel.
last_words() {  # PATTERN
  compose logs --no-color gateway | sed -n "s/.*$1.*/\1/p" | tail -n 1
}

export COMPOSE_PROFILES=suricata SNORT_SCALE=0 NFLOG_GROUPS=0
compose up --wait --wait-timeout 600 --no-build >/dev/null 2>&1 || fail "docker compose up failed"
make_gateway 0 || fail "cannot make the client's and the server's namespaces"
start_load
in_client "$here/load.py" resume "$(eve_file)" "$server_ip" "$(date +%s)" >/dev/null ||
  fail "no alert at all"

restart receiver
restart suricata
stop_load
check_ledger all_captured 0 0

start_load
restart gateway
stop_load
sent=$(last_words 'captured [0-9]* packets, sent \([0-9]*\)')
taken=$(last_words 'captured \([0-9]*\) packets')
lost=$(last_words 'lost in the kernel \([0-9]*\)')
[[ -n $sent && -n $taken && -n $lost ]] || fail "the gateway did not say what it had done"
check_ledger laws_hold "$sent" "$((taken + lost))"
# While no sender is bound to the group, nobody counts what hits the rule.
echo "logged while there was no gateway: $((logged - captured))"
((captured <= logged)) || fail "captured $captured of $logged packets"
