#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is wrong with a container's configuration stands in `docker compose logs`: one line, after which
# the container has ended with the status that the manual gives.
# Usage: badconfig_test.sh REPOSITORY BIN_DIR
set -uo pipefail
root=$1 bin=$2
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/deploy/containers/engine_lib.sh
. "$here/engine_lib.sh"
require_engine
work=$(mktemp -d) || exit 1
declare -a held=()
checked=0

clean_up() {
  local pid
  bad_compose down --volumes --timeout 1 >/dev/null 2>&1
  exec 2>/dev/null
  for pid in "${held[@]}"; do kill -KILL "$pid"; done
  wait
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The compose file with a case's changes over it; a container that ends is not started again, unless a
# case is about just that.
: >"$work/change.yml"
bad_compose() {
  docker compose --project-name "$project" --project-directory "$root" \
    --env-file /dev/null --file "$root/docker-compose.yml" --file "$work/change.yml" "$@"
}

has_ended() {  # SERVICE
  [[ $(bad_compose ps --all --format '{{.State}}' "$1") == exited ]]
}

# The change of the service is YAML at its level.
expect_refusal() {  # NAME SERVICE CHANGE STATUS EXTENDED-REGULAR-EXPRESSION
  local name=$1 service=$2 status lines
  printf 'services:\n  %s:\n%s\n' "$service" "$3" >"$work/change.yml"
  bad_compose up --detach --no-deps --no-build "$service" >"$work/up" 2>&1 ||
    fail "$name: compose could not start it: $(tail -n 3 "$work/up")"
  await 30 "$name: the container to end" has_ended "$service"
  status=$(bad_compose ps --all --format '{{.ExitCode}}' "$service")
  # Some versions of Compose clear the line for a terminal that is not there.
  bad_compose logs --no-log-prefix --no-color "$service" 2>&1 |
    sed 's/\x1b\[[0-9;]*[A-Za-z]//g' >"$work/log"
  lines=$(wc -l <"$work/log")
  [[ $status == "$4" ]] || fail "$name: exit status $status: $(cat "$work/log")"
  ((lines == 1)) || fail "$name: $lines lines: $(cat "$work/log")"
  grep -qE -- "$5" "$work/log" || fail "$name: no '$5' in: $(cat "$work/log")"
  printf '%-34s exit %s  %s\n' "$name" "$status" "$(cat "$work/log")"
  bad_compose down --volumes --timeout 1 >/dev/null 2>&1
  checked=$((checked + 1))
}

free_group() {
  local group=$((RANDOM % 60000 + 100))
  while awk -v group="$group" '$1 == group { found = 1 } END { exit !found }' \
    /proc/net/netfilter/nfnetlink_log; do
    group=$((group + 1))
  done
  echo "$group"
}

# Without the service that makes keys.
export SENDER_METRICS=off RESTART_POLICY=no PCAP_ZMQ_REQUIRE_ENCRYPTION=false
NFLOG_GROUPS=$(free_group)
export NFLOG_GROUPS
start_of_error='^pcap-zmq-(send|recv): error: '

expect_refusal "unknown variable" gateway '    environment: {PCAP_ZMQ_LVM: 1MiB/s}' 2 \
  "${start_of_error}variable PCAP_ZMQ_LVM is not known; did you mean PCAP_ZMQ_LWM"
expect_refusal "unknown variable of the receiver" receiver '    environment: {PCAP_ZMQ_OUPUT: /x}' 2 \
  "${start_of_error}variable PCAP_ZMQ_OUPUT is not known; did you mean PCAP_ZMQ_OUTPUT"
expect_refusal "unreadable value" gateway '    environment: {PCAP_ZMQ_HWM: fast}' 2 \
  "${start_of_error}variable PCAP_ZMQ_HWM: 'fast'"
expect_refusal "no NET_ADMIN" gateway '    cap_add: !reset []' 1 \
  "${start_of_error}.*CAP_NET_ADMIN"

# shellcheck disable=SC2154
"$bin/pcap-zmq-send" --metrics off "$NFLOG_GROUPS" "ipc://$work/nobody" 2>"$work/holder" &
held+=($!)
await 20 "another sender to hold the group" grep -q "^ *$NFLOG_GROUPS " \
  /proc/net/netfilter/nfnetlink_log
expect_refusal "group taken" gateway '    labels: {case: taken}' 1 \
  "${start_of_error}.*group $NFLOG_GROUPS.*(other|another|in use)"

expect_refusal "FIFO volume missing" receiver '    volumes: !reset []' 2 \
  "${start_of_error}.*/run/pcap-zmq/ids\.pcap.*Read-only file system"
expect_refusal "FIFO volume read-only" receiver \
  '    volumes: !override ["fifo:/run/pcap-zmq:ro"]' 2 \
  "${start_of_error}.*/run/pcap-zmq/ids\.pcap.*Read-only file system"
expect_refusal "no such folder" receiver '    environment: {PCAP_ZMQ_OUTPUT: /nowhere/ids.pcap}' 2 \
  "${start_of_error}.*/nowhere/ids\.pcap: there is no directory"
expect_refusal "metrics address of another machine" receiver \
  '    environment: {PCAP_ZMQ_METRICS: "192.0.2.77:9478"}' 2 \
  "${start_of_error}cannot listen on 192\.0\.2\.77:9478"

# With the file's own policy it is started again and again: the line is there all the same, and
# waiting comes to an end.
says_wrong_rate() {
  bad_compose logs --no-log-prefix --no-color gateway 2>&1 |
    grep -q "error: variable PCAP_ZMQ_HWM: 'fast'"
}
export RESTART_POLICY='' PCAP_ZMQ_HWM=fast
echo 'services: {}' >"$work/change.yml"
start=$SECONDS
bad_compose up --no-deps --no-build --wait --wait-timeout 15 gateway >"$work/up" 2>&1
status=$?
((status != 0)) || fail "up --wait is content with a wrong setting"
await 20 "the line in the log" says_wrong_rate
[[ $(docker inspect --format '{{.HostConfig.RestartPolicy.Name}}' \
  "$(bad_compose ps --all --quiet gateway)") == unless-stopped ]] || fail "not started again"
echo "started again and again: up --wait --wait-timeout 15 ends with $status, $((SECONDS - start)) s"

echo "$checked wrong configurations were each refused in one line."
