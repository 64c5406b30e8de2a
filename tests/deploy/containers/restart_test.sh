#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Receiver, IDS and gateway are restarted, one after the other, under load: within five seconds alerts
# flow again, and in the end every packet is accounted for, hop by hop.
# Usage: restart_test.sh ROOT
set -uo pipefail
root=$1
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/deploy/containers/engine_lib.sh
. "$here/engine_lib.sh"
require_engine
readonly limit=5 packets_per_second=2000

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
  ((status == 0)) || compose logs --no-color 2>&1 | tail -n 60
  compose down --volumes --timeout 3 >/dev/null 2>&1
  remove_gateway
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Both laws of the programs, and the kernel's: read with nothing on its way, twice alike.
sender=pcap_zmq_sender receiver=pcap_zmq_receiver
figures() {
  local name
  for name in packets_total sent_packets_total dropped_packets_total held_packets buffered_packets \
    kernel_lost_packets_total; do
    printf '%s=%s\n' "$name" "$(metric 9477 "${sender}_$name")"
  done
  for name in packets_total lost_packets_total unseen_packets_total sink_packets_total \
    sink_dropped_packets_total sink_queued_packets; do
    printf 'receiver_%s=%s\n' "$name" "$(metric 9478 "${receiver}_$name")"
  done
  printf 'logged=%s\n' "$(nft list table inet test_gateway |
    sed -n 's/.*counter packets \([0-9]*\).*/\1/p')"
}

# Lost and unseen are settled by the sender's reports, once a second, and two seconds later.
settle() {  # prints the figures
  local deadline=$((SECONDS + 30)) before='' now
  while ((SECONDS < deadline)); do
    now=$(figures)
    [[ $now != "$before" ]] || { printf '%s\n' "$now"; return; }
    before=$now
    sleep 4
  done
  fail "the figures do not come to rest: $now"
}

law() {  # WHAT LEFT RIGHT
  echo "$1: $(($2)) = $(($3))"
  (($2 == $3)) || fail "$1 does not close"
}

# $1: what gateways before this one had sent, and all that they had taken over from the kernel.
check_ledger() {  # SENT-BEFORE CAPTURED-BEFORE
  local text line
  local -A v=()
  text=$(settle) || { printf '%s\n' "$text"; exit 1; }
  while IFS='=' read -r line text; do
    v[$line]=${text:-0}
  done <<<"$text"
  law "captured = sent + dropped + held + buffered" "${v[packets_total]}" \
    "${v[sent_packets_total]} + ${v[dropped_packets_total]} + ${v[held_packets]} +
     ${v[buffered_packets]}"
  law "sent = received + lost + unseen" "$1 + ${v[sent_packets_total]}" \
    "${v[receiver_packets_total]} + ${v[receiver_lost_packets_total]} +
     ${v[receiver_unseen_packets_total]}"
  law "received = delivered + dropped + queued" "${v[receiver_packets_total]}" \
    "${v[receiver_sink_packets_total]} + ${v[receiver_sink_dropped_packets_total]} +
     ${v[receiver_sink_queued_packets]}"
  ((v[receiver_packets_total] > 1000)) || fail "only ${v[receiver_packets_total]} packets came"
  logged=${v[logged]}
  captured=$((${v[packets_total]} + ${v[kernel_lost_packets_total]} + $2))
}

restart() {  # SERVICE
  local took container started
  compose restart "$1" >/dev/null 2>&1 || fail "cannot restart $1"
  container=$(compose ps --quiet "$1")
  started=$(date -d "$(docker inspect --format '{{.State.StartedAt}}' "$container")" +%s.%N)
  took=$(in_client "$here/load.py" resume "$(eve_file)" "$server_ip" "$started" "$limit") ||
    fail "$1 restarted: alerts again after $took s; at most $limit s"
  echo "$1 restarted: alerts again $took s after its start"
  kill -0 "$load" 2>/dev/null || fail "the load ended"
}

# What a gateway said of itself when it ended: captured, sent and lost in the kernel.
last_words() {  # PATTERN
  compose logs --no-color gateway | sed -n "s/.*$1.*/\1/p" | tail -n 1
}

export COMPOSE_PROFILES=suricata SNORT_SCALE=0 NFLOG_GROUPS=0
compose up --wait --wait-timeout 120 --no-build >/dev/null 2>&1 || fail "docker compose up failed"
make_gateway 0 || fail "cannot make the client's and the server's namespaces"
start_load
in_client "$here/load.py" resume "$(eve_file)" "$server_ip" "$(date +%s)" 30 >/dev/null ||
  fail "no alert at all"

restart receiver
restart suricata
stop_load
check_ledger 0 0
law "logged = captured + lost in the kernel" "$logged" "$captured"

start_load
restart gateway
stop_load
sent=$(last_words 'captured [0-9]* packets, sent \([0-9]*\)')
taken=$(last_words 'captured \([0-9]*\) packets')
lost=$(last_words 'lost in the kernel \([0-9]*\)')
[[ -n $sent && -n $taken && -n $lost ]] || fail "the gateway did not say what it had done"
check_ledger "$sent" "$((taken + lost))"
# While no sender is bound to the group, nobody counts what hits the rule.
echo "logged while there was no gateway: $((logged - captured))"
((captured <= logged && logged - captured < 10 * packets_per_second)) ||
  fail "captured $captured of $logged packets"
