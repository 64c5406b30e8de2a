#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The compose file's keys: from nothing, packets are encrypted and nobody else may send, on one machine
# and, by the manual's two commands, on two; settings of 0.1.0 with keys go on working; and only
# who says so travels in the clear.
# Usage: compose_keys_test.sh ROOT
set -uo pipefail
root=$1
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/deploy/containers/engine_lib.sh
. "$here/engine_lib.sh"
require_engine
work=$(mktemp -d) || exit 1
stranger=$project-stranger
host=$(uname -n | tr -c 'A-Za-z0-9._\n-' _)
export COMPOSE_PROFILES='' SNORT_SCALE=0 NFLOG_GROUPS=0

cleanup() {
  local status=$? machine
  for machine in "$work"/*/pcap-zmq-pipe; do
    [[ -d $machine ]] || continue
    ((status == 0)) || (cd "$machine" && docker compose logs --no-color 2>&1 | tail -n 40)
    (cd "$machine" && docker compose down --volumes --timeout 3) >/dev/null 2>&1
  done
  ((status == 0)) || compose logs --no-color 2>&1 | tail -n 60
  docker rm --force --volumes "$stranger" >/dev/null 2>&1
  compose down --volumes --timeout 3 >/dev/null 2>&1
  remove_gateway
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

up() {
  compose up --wait --wait-timeout 600 --no-build "$@" >"$work/up" 2>&1 ||
    fail "docker compose up $*: $(tail -n 5 "$work/up")"
}

down() {
  compose down --volumes --timeout 3 >/dev/null 2>&1
}

keys_directory() {
  docker volume inspect --format '{{.Mountpoint}}' "${project}_keys"
}

received() {
  metric 9478 pcap_zmq_receiver_packets_total
}

# One packet, the next second another: what waits for a receiver at the end of a test is the next one's.
send_until_more_than() {  # COUNT
  in_client "$here/load.py" once "$server_ip"
  local count
  count=$(received)
  ((${count:-0} > $1))
}

# Packets cross, and the receiver names who sends them as the gateway names itself.
check_delivery() {  # SENDER
  local before named
  before=$(received)
  await 30 "a packet to cross" send_until_more_than "${before:-0}"
  named=$(curl -fsS http://127.0.0.1:9478/metrics | grep '^pcap_zmq_receiver_packets_total')
  [[ $named == *"{sender=\"$1\"} "* ]] || fail "no packets of $1: $named"
}

# What `docker compose logs` has of a service: says SERVICE EXTENDED-REGULAR-EXPRESSION
says() {
  compose logs --no-color --no-log-prefix "$1" 2>&1 | grep -E -- "$2" >/dev/null
}

owners() {
  (cd "$1" && stat --format '%a %u %n' -- *.key *.pub authorized/*)
}

refusals() {
  metric 9478 pcap_zmq_receiver_refused_connections_total
}
more_refused_than() {  # COUNT
  local count
  count=$(refusals)
  ((${count:-0} > $1))
}

# Somebody who reaches the port but has no key.
check_stranger() {
  local before
  before=$(refusals)
  docker run --detach --name "$stranger" --network host --cap-drop ALL --cap-add NET_ADMIN \
    pcap-zmq-pipe/sender --metrics off 9 tcp://127.0.0.1:1234 >/dev/null || fail "no stranger"
  await 30 "the stranger to be refused" more_refused_than "${before:-0}"
  docker rm --force --volumes "$stranger" >/dev/null
}

check_first_start() {
  local directory made
  up gateway receiver
  check_delivery "$host"
  says gateway 'encrypting with ' || fail "the gateway does not encrypt"
  says receiver 'encrypting with ' || fail "the receiver does not encrypt"
  [[ $(compose port receiver 1234) == 127.0.0.1:1234 ]] ||
    fail "the port is published on $(compose port receiver 1234)"
  [[ -z $(ss -Hltn 'sport = :1234 and not src 127.0.0.1') ]] || fail "somebody else can connect"
  check_stranger

  directory=$(keys_directory)
  diff - <(owners "$directory") <<FILES || fail "keys or their owners differ"
600 0 gateway.key
600 9478 receiver.key
644 0 gateway.pub
644 0 receiver.pub
644 0 server.pub
644 0 authorized/$host.pub
FILES
  made=$(cd "$directory" && cat -- *.pub)
  compose down --timeout 3 >/dev/null 2>&1
  PCAP_ZMQ_NAME=office up gateway receiver
  [[ $(cd "$directory" && cat -- *.pub) == "$made" ]] || fail "the second start makes other keys"
  check_delivery office
  rm "$directory/authorized/office.pub"
  up --force-recreate keys gateway receiver
  [[ -z $(ls "$directory/authorized") ]] || fail "whom the user has removed is let in again"
  down
  echo "from nothing: encrypted, nobody else is let in, and the keys stay"
}

check_bad_input() {
  local said
  said=$(compose run --rm -T keys authorize gw1 <<<"no key" 2>&1) && fail "garbage is authorized"
  [[ $said == *"keys: error: standard input holds no public key"* ]] || fail "garbage: $said"
  said=$(compose run --rm -T keys authorize ../gw1 </dev/null 2>&1) && fail "a path is a name"
  [[ $said == *"keys: error: authorize NAME"* ]] || fail "a path: $said"
  said=$(compose run --rm -T keys forget gw1 </dev/null 2>&1) && fail "an unknown word is taken"
  [[ $said == *"keys: error: forget: there are show, trust and authorize"* ]] || fail "forget: $said"
  [[ $(ls "$(keys_directory)/authorized" | wc -l) == 1 ]] || fail "something was authorized"
  down
}

# As docs/security.md of 0.1.0 had it: the user's own keys, in a folder of his.
check_settings_of_0_1_0() {
  local keys=$work/own before
  mkdir -p "$keys/authorized"
  docker run --rm -v "$keys:/keys" --entrypoint pcap-zmq-keygen pcap-zmq-pipe/sender /keys gateway >/dev/null &&
    docker run --rm -v "$keys:/keys" --entrypoint pcap-zmq-keygen pcap-zmq-pipe/sender /keys receiver >/dev/null ||
    fail "no keys"
  chown 9478 "$keys/receiver.key"
  cp "$keys/gateway.pub" "$keys/authorized/"
  cat >"$work/.env" <<ENV
PCAP_ZMQ_KEYS=$keys
SENDER_CURVE_KEY=/run/keys/gateway.key
PCAP_ZMQ_SERVER_KEY=/run/keys/receiver.pub
RECEIVER_CURVE_KEY=/run/keys/receiver.key
PCAP_ZMQ_AUTHORIZED_KEYS=/run/keys/authorized
PCAP_ZMQ_REQUIRE_ENCRYPTION=1
RECEIVER_PUBLISH=0.0.0.0:1234
ENV
  before=$(ls -lR --time-style=full-iso "$keys")
  env_file=$work/.env
  up gateway receiver
  check_delivery gateway
  [[ $(ls -lR --time-style=full-iso "$keys") == "$before" ]] || fail "the user's keys were touched"
  down
  echo "settings of 0.1.0, with keys: they are used, and nothing is made"

  # Neither keys nor address: one machine.
  printf 'PCAP_ZMQ_HWM=10MiB/s\nSENDER_CURVE_KEY=\nPCAP_ZMQ_NAME=gw\n' >"$work/.env"
  up gateway receiver
  check_delivery gw
  down

  printf 'PCAP_ZMQ_REQUIRE_ENCRYPTION=false\nPCAP_ZMQ_NAME=plain\n' >"$work/.env"
  up gateway receiver
  check_delivery plain
  ! says gateway 'encrypting with ' || fail "the gateway encrypts, although it shall not"
  [[ -z $(ls "$(keys_directory)") ]] || fail "keys were made that nobody wants"
  down
  env_file=
  echo "in the clear: only on demand"
}

gateway_wonders() {
  docker compose logs --no-color gateway 2>&1 | grep 'no handshake with .*is not the receiver' >/dev/null
}

# A machine is a folder with a checkout and an .env; `ssh` between the two is a change of folder.
make_machine() {  # NAME ENV
  mkdir -p "$work/$1/pcap-zmq-pipe"
  cp -r "$root/docker-compose.yml" "$root/docker" "$work/$1/pcap-zmq-pipe/"
  printf 'COMPOSE_PROJECT_NAME=%s\nSNORT_SCALE=0\n%b' "$project-$1" "$2" \
    >"$work/$1/pcap-zmq-pipe/.env"
}
documented() {  # PROMPT PATTERN
  sed -n "s/^$1# *//p" "$root/docs/containers.md" | grep -E -- "$2"
}
check_two_machines() {
  local exchange command
  make_machine ids "RECEIVER_PUBLISH=0.0.0.0:1234\n"
  make_machine gateway "PCAP_ZMQ_ENDPOINT=tcp://${client_ip%.*}.1:1234\n"
  mkdir "$work/bin"
  cat >"$work/bin/ssh" <<SSH
#!/bin/sh
[ "\$1" = ids.host ] && cd "$work/ids" && exec sh -c "\$2"
SSH
  chmod +x "$work/bin/ssh"
  exchange=$(documented gateway 'keys show|keys authorize')
  [[ $(wc -l <<<"$exchange") == 2 ]] || fail "the manual has other than two commands: $exchange"

  cd "$work/ids/pcap-zmq-pipe" || exit 1
  docker compose up --wait --wait-timeout 600 receiver >/dev/null 2>&1 || fail "no receiver"
  cd "$work/gateway/pcap-zmq-pipe" || exit 1
  docker compose up --wait --wait-timeout 600 gateway >/dev/null 2>&1 || fail "no gateway"
  await 30 "the gateway to say that it does not know the receiver" gateway_wonders
  while read -r command; do
    echo "The manual: $command"
    PATH=$work/bin:$PATH bash -c "$command" </dev/null || fail "$command"
  done <<<"$exchange"
  docker compose restart gateway >/dev/null 2>&1 || fail "cannot restart the gateway"
  check_delivery "$host"
  cd "$root" || exit 1
  echo "two machines: encrypted, after the manual's two commands"
}

make_gateway 0 || fail "cannot make the client's and the server's namespaces"
check_first_start
check_bad_input
check_settings_of_0_1_0
check_two_machines
