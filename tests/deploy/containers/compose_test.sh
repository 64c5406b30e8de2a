#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The compose file as a user runs it: it comes up, real forwarded traffic makes the IDS alert,
# the demonstration alerts by itself, and `down -v` leaves nothing.
# Usage: compose_test.sh ROOT
set -uo pipefail
root=$1
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/deploy/containers/engine_lib.sh
. "$here/engine_lib.sh"
require_engine
work=$(mktemp -d) || exit 1

cleanup() {
  local status=$?
  ((status == 0)) || compose logs --no-color 2>&1 | tail -n 60
  compose down --volumes --timeout 3 >/dev/null 2>&1
  nft delete table inet pcap_zmq 2>/dev/null
  remove_gateway
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# As .env.example describes it: every variable of the file is in it with its default, and no other
# is.
check_variables() {
  local given described
  given=$(grep -o '\${[A-Z_]*:-[^}]*}' "$root/docker-compose.yml" | sed 's/^..//; s/}$//; s/:-/=/' |
    sort -u)
  described=$(sed -n 's/^#\([A-Z_]*=\)/\1/p' "$root/.env.example" | grep -v '^COMPOSE_PROFILES=' |
    sort -u)
  diff <(printf '%s\n' "$given") <(printf '%s\n' "$described") ||
    fail "docker-compose.yml (<) and .env.example (>) differ"
}

# What runs without being asked for, and that Suricata takes Snort's place.
check_services() {
  local plain
  plain=$(COMPOSE_PROFILES='' compose config --services | sort | xargs)
  [[ $plain == "gateway keys receiver snort" ]] || fail "plain \`docker compose up\` starts: $plain"
  compose config --quiet || fail "docker compose config finds the file wrong"
  docker run --rm pcap-zmq-pipe/sender --help >"$work/sender" || fail "the sender has no --help"
  docker run --rm pcap-zmq-pipe/receiver --help >"$work/receiver" || fail "the receiver has no --help"
  compose config --format json | python3 "$here/compose_rules.py" "$work/sender" "$work/receiver" ||
    fail "see above"
}

# The rules that the manual begins with, with the client's interface in their `define` line.
load_documented_rules() {
  local command file
  command=$(grep -m 1 '^nft -f ' "$root/docs/containers.md") || fail "the manual loads no rules"
  echo "Rules: $command"
  file=$root/${command#nft -f }
  grep -q '^define pcap_zmq_home = ' "$file" || fail "$file defines no pcap_zmq_home"
  sed 's/^define pcap_zmq_home = .*/define pcap_zmq_home = { "gw-client" }/' "$file" >"$work/rules.nft"
  nft -f "$work/rules.nft" || fail "the rules of the manual cannot be loaded"
}

# A setting reaches its program under the name that .env.example has for it.
check_setting() {
  local shown
  shown=$(COMPOSE_PROFILES='' SENDER_ZMQ_BUFFER=77 PCAP_ZMQ_HWM='' \
    compose run --rm --no-deps gateway --print-config 2>&1)
  grep -q '"zmq-buffer": 77' <<<"$shown" || fail "SENDER_ZMQ_BUFFER does not arrive: $shown"
  grep -q '"hwm": "100MiB/s"' <<<"$shown" || fail "an empty variable is not an unset one: $shown"
}

# Prometheus has the targets file that the variable names, over the one of the checkout.
check_targets() {
  local shown
  echo '- targets: ["192.0.2.9:9477"]' >"$work/targets.yml"
  shown=$(PROMETHEUS_IMAGE=${BASE_IMAGE:-debian:trixie-slim} PROMETHEUS_TARGETS=$work/targets.yml \
    COMPOSE_PROFILES=monitoring \
    compose run --rm --no-deps --entrypoint cat prometheus /etc/prometheus/targets.yml 2>&1)
  [[ $shown == *192.0.2.9:9477* ]] || fail "PROMETHEUS_TARGETS does not arrive: $shown"
  COMPOSE_PROFILES=monitoring compose down --volumes >/dev/null 2>&1
}

# Two readers of a FIFO get pieces: the second one says what to do, and the first reads on.
says_who_reads() {
  docker logs "$1" 2>&1 | grep -q 'another IDS reads this FIFO.*SNORT_SCALE=0'
}
has_failed() {
  [[ $(docker inspect --format '{{.State.ExitCode}}' "$1") == 1 ]]
}
check_one_reader() {
  local second=$project-second
  compose run --detach --no-deps --name "$second" suricata >/dev/null 2>&1 ||
    fail "a second IDS cannot be started at all"
  await 20 "a second IDS to say that the FIFO has a reader" says_who_reads "$second"
  await 20 "the second IDS to end" has_failed "$second"
  docker rm --force --volumes "$second" >/dev/null 2>&1
  in_client "$here/alert_delay.py" "$(eve_file)" "$server_ip" 1 ||
    fail "the first IDS does not read on"
  echo "a second IDS is refused"
}

# As the manual rotates Suricata's file.
alert_again() {
  in_client "$here/load.py" once "$server_ip"
  has_alert 9000003
}
check_rotation() {
  local eve
  eve=$(eve_file)
  mv "$eve" "$eve.1" || fail "there is no $eve"
  compose kill --signal HUP suricata >/dev/null 2>&1 || fail "cannot signal Suricata"
  await 20 "an alert in the new file" alert_again
}

up() {
  local start=$SECONDS
  compose up --wait --wait-timeout 600 --no-build >/dev/null 2>&1 ||
    fail "docker compose up --wait with ${COMPOSE_PROFILES:-snort} did not come up"
  echo "${COMPOSE_PROFILES:-snort}: up after $((SECONDS - start)) s"
}

has_alert() {  # SIGNATURE
  grep -q "\"event_type\":\"alert\".*\"signature_id\":$1," "$(eve_file)"
}

# Ready is what `up --wait` said, so that the first packet has its alert.
check_traffic() {
  in_client "$here/alert_delay.py" "$(eve_file)" "$server_ip" 5 ||
    fail "a packet has no alert"
  start_in_server python3 "$root/docker/demo/demo.py" serve
  local server=$!
  await 20 "the web server" in_client curl -fsS "http://$server_ip/"
  in_client curl -fsS "http://$server_ip/pcap-zmq-demo" >/dev/null || fail "no answer over TCP"
  await 20 "the alert on the HTTP request" has_alert 9000001
  kill "$server"
  wait "$server" 2>/dev/null
}

check_demo() {
  local start=$SECONDS
  up
  await 60 "the demonstration's alert" has_alert 9000001
  echo "demonstration: an alert $((SECONDS - start)) s after \`up\`"
  nft list table inet pcap_zmq_demo >/dev/null || fail "the demonstration has no rules"
}

# The service as it is, where a registry had an image for it; Suricata stands in elsewhere.
has_snort_alert() {
  grep -qs '"sid"[ :]*9000003' "$(docker volume inspect --format '{{.Mountpoint}}' \
    "${project}_snort-log")"/alert_json.txt
}
send_until_snort_alerts() {
  in_client "$here/load.py" once "$server_ip"
  has_snort_alert
}
check_snort() {
  local image=${SNORT_IMAGE:-pcap-zmq-pipe/snort:latest}
  if ! docker image inspect "$image" >/dev/null 2>&1; then
    [[ -z ${SNORT_IMAGE:-} ]] || fail "the engine does not have SNORT_IMAGE, $image"
    echo "SKIPPED: Snort's command line past a real Snort: no image, and SNORT_IMAGE names none"
    return
  fi
  COMPOSE_PROFILES='' SNORT_SCALE=1
  up
  await 20 "an alert of Snort" send_until_snort_alerts
  echo "$image takes the command line, and alerts"
  compose down --volumes >/dev/null 2>&1
}

# The rules go even when nobody gets to remove them.
check_demo_killed() {
  compose kill demo >/dev/null 2>&1
  await 10 "the demonstration's rules to go" no_demo_rules
}
no_demo_rules() {
  ! nft list table inet pcap_zmq_demo 2>/dev/null
}

leftovers() {
  docker ps --all --quiet
  docker volume ls --quiet
  docker network ls --format '{{.Name}}' | grep -vxE 'bridge|host|none'
  nft list tables | grep -vE 'table (ip|ip6) (nat|filter)$'
  ip -o link | grep -E 'veth|br-'
}

check_down() {
  local left
  compose down --volumes >/dev/null 2>&1 || fail "down --volumes failed"
  left=$(leftovers)
  [[ -z $left ]] || fail "down --volumes left: $left"
}

check_variables
check_services
check_setting
check_targets
make_gateway || fail "cannot make the client's and the server's namespaces"
load_documented_rules
export COMPOSE_PROFILES=suricata SNORT_SCALE=0
up
check_traffic
check_one_reader
check_rotation
compose down --volumes >/dev/null 2>&1
check_snort
nft delete table inet pcap_zmq
remove_gateway
COMPOSE_PROFILES=suricata,demo SNORT_SCALE=0
check_demo
check_demo_killed
up
nft list table inet pcap_zmq_demo >/dev/null || fail "the demonstration's rules did not come back"
check_down
