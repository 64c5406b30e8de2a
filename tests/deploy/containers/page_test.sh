#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The page at / of both programs in headless Chromium: it shows moving data, also with no sender and with
# a hundred.  The senders are real ones: one captures on loopback and is flooded until it sheds, the
# others each read a capture from a pipe.
# Usage: page_test.sh REPOSITORY BIN_DIR [SCREENSHOT-DIR]
set -uo pipefail
repository=$1 bin=$2 shots=${3:-}
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d) || exit 1
declare -a started=()

clean_up() {
  local pid
  exec 2>/dev/null
  for pid in "${started[@]}"; do kill -KILL "$pid"; done
  wait
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# shellcheck source=tests/deploy/verdict.sh
. "$here/../verdict.sh"
fail() {
  echo "FAILED: $*"
  tail -n 3 "$work"/*.err 2>/dev/null
  exit 1
}

browser=$(command -v chromium || command -v chromium-browser) || skip "Chromium is not installed"
command -v node >/dev/null || skip "Node.js is not installed"
modules=$repository/build/node/node_modules
((EUID == 0)) || skip "not root, and so no capture on loopback"
[[ -d $modules/playwright-core ]] || skip "playwright-core is not there (scripts/install-node-tools)"

address_of() {  # NAME
  local i
  for ((i = 0; i < 1200; ++i)); do
    sed -n 's/.*metrics on \([0-9.]*:[0-9]*\).*/\1/p' "$work/$1.err" | grep -m 1 . && return
    sleep 0.05
  done
  fail "the $1 does not say where its metrics are"
}

start_sender() {  # NAME OPTION...
  local name=$1
  shift
  "$bin/pcap-zmq-send" --name "$name" "$@" "ipc://$work/wire" <"$work/$name.in" \
    >/dev/null 2>"$work/$name.err" &
  started+=($!)
}

start_traffic() {  # NAME PACKETS-A-BURST [PORT]
  python3 "$here/page_traffic.py" "${@:2}" >"$work/$1.in" &
  started+=($!)
}

# A UDP port that is held, so that what goes there reaches this test only and nobody answers.
hold_port() {
  python3 -c '
import socket, sys, time
held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
held.bind(("127.0.0.1", 0))
print(held.getsockname()[1], flush=True)
while True:
    held.recv(2048)' >"$work/port" &
  started+=($!)
  local i
  for ((i = 0; i < 1200; ++i)); do
    port=$(cat "$work/port" 2>/dev/null)
    [[ -z $port ]] || return 0
    sleep 0.05
  done
  fail "no UDP port"
}

"$bin/pcap-zmq-recv" --metrics 127.0.0.1:0 "ipc://$work/wire" "$work/fifo" 2>"$work/receiver.err" &
started+=($!)
receiver=$(address_of receiver) || fail "no receiver: $receiver"
cat "$work/fifo" >/dev/null &
started+=($!)

look() {  # PAGE ADDRESS SENDERS
  local shot=$work/$1.png
  node "$here/page_test.mjs" "$modules" "$browser" "http://$2/" "$1" "$3" "$shot" "$work" ||
    fail "the page of $1"
  [[ -z $shots ]] || cp "$shot" "$shots/"
}

look receiver-without-senders "$receiver" 0

hold_port
: >"$work/gateway.in"
start_sender gateway --metrics 127.0.0.1:0 --lwm 100KiB/s --hwm 600KiB/s --rate-window 500ms \
  --filter "udp dst port $port" pcap:lo
start_traffic gateway 400 "$port"
sender=$(address_of gateway) || fail "no sender: $sender"
look sender "$sender" 1
look receiver "$receiver" 1

for ((i = 1; i < 100; ++i)); do
  name=$(printf 'gateway-%02d' "$i")
  mkfifo "$work/$name.in"
  start_sender "$name" --metrics off --replay-speed max file:-
  start_traffic "$name" 2
done
look receiver-with-100-senders "$receiver" 100
echo "The page shows moving data with 0, 1 and 100 senders."
