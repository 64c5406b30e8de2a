#!/bin/bash
# SPDX-License-Identifier: MIT
#
# ./quickstart in one of the ways in which it can be run, and that nothing is left behind.
# Usage: quickstart_test.sh root|user|replay|forbidden|interrupt|terminate REPOSITORY BIN_DIR
# Exit status 77 means skipped.
set -uo pipefail
way=$1 quickstart=$2/quickstart
export QUICKSTART_BIN_DIR=$3
TMPDIR=$(mktemp -d) || exit 1
export TMPDIR
chmod 1777 "$TMPDIR"
# Everything that quickstart starts inherits this, and is found by it.
export QUICKSTART_TEST_MARK="mark-$$-$RANDOM"
output=$(mktemp --tmpdir=/tmp quickstart_test.XXXXXX)
trap 'rm -rf "$TMPDIR" "$output"' EXIT

# shellcheck source=tests/deploy/verdict.sh
. "$(dirname "$(readlink -f "$0")")/verdict.sh"
fail() {
  echo "FAILED: $*"
  sed 's/^/  | /' "$output"
  exit 1
}

marked_processes() {
  local environ process
  for environ in /proc/[0-9]*/environ; do
    process=${environ#/proc/}
    process=${process%/environ}
    [[ $process != "$$" ]] || continue
    if tr '\0' '\n' <"$environ" 2>/dev/null | grep -qx "QUICKSTART_TEST_MARK=$QUICKSTART_TEST_MARK" &&
      [[ $(sed 's/.*) //' "/proc/$process/stat" | cut -d' ' -f2) != "$$" ]]; then
      tr '\0' ' ' <"/proc/$process/cmdline"
      echo
    fi
  done 2>/dev/null
}

# What quickstart's own probe asks of the kernel.  It is under test here, so that if it is wrong,
# quickstart must fail these tests and not skip them.
# shellcheck disable=SC2016
namespaces_possible() {
  PATH=$PATH:/usr/sbin:/sbin "$@" unshare --net -- bash -c 'ip link set lo up &&
    ip link add probe0 type veth peer name probe1 && unshare --net -- true &&
    for key in ipv4/ip_forward ipv6/conf/all/forwarding; do
      echo 1 >"/proc/sys/net/$key" || exit
    done && nft "table inet probe { chain probe { log group 0 snaplen 65535; }; }" &&
    [[ -r /proc/net/netfilter/nfnetlink_log ]]' >/dev/null 2>&1
}

expect_output() {
  grep -qE -- "$1" "$output" || fail "no '$1' in the output"
}

expect_nothing_left() {
  local left i
  left=$(find "$TMPDIR" -mindepth 1)
  [[ -z $left ]] || fail "files are left: $left"
  # What was killed may still be about to end.
  for ((i = 0; i < 600; ++i)); do
    left=$(marked_processes)
    [[ -n $left ]] || break
    sleep 0.05
  done
  [[ -z $left ]] || fail "processes are left: $left"
  [[ "$(ip netns list 2>/dev/null)" == "$netns_before" ]] || fail "a namespace is left"
  [[ "$(ip -o link 2>/dev/null | wc -l)" == "$links_before" ]] || fail "a network interface is left"
}

expect_whole_story() {
  expect_output '^The ledger'
  expect_output 'delivered into the FIFO +[1-9]'
  expect_output '^It closes'
  expect_output '^Where to go next'
}

expect_both_families() {
  expect_output '192\.0\.2\.2'
  expect_output '2001:db8:2::2|2001:0db8:0002:'
}

# Runs quickstart in its own process group until SIGNAL is sent when its output has WHEN.
interrupt() {  # SIGNAL WHEN STATUS
  local status=0 child i
  env --default-signal=INT,TERM setsid "$quickstart" >"$output" 2>&1 &
  child=$!
  for ((i = 0; i < 600; ++i)); do
    grep -q -- "$2" "$output" && break
    kill -0 "$child" 2>/dev/null || fail "it ended by itself"
    sleep 0.05
  done
  if [[ $1 == INT ]]; then
    kill -INT -- "-$child"  # as the terminal does: to the whole group
  else
    kill "-$1" "$child"
  fi
  wait "$child" || status=$?
  [[ $status == "$3" ]] || fail "ended with status $status instead of $3"
}

netns_before=$(ip netns list 2>/dev/null)
links_before=$(ip -o link 2>/dev/null | wc -l)
case $way in
  root)
    ((EUID == 0)) || skip "not root"
    namespaces_possible || skip "network namespaces are not available here"
    "$quickstart" >"$output" 2>&1 || fail "exit status $?"
    expect_output 'logged by the kernel +[1-9]'
    expect_output 'median [0-9.]+ ms, p99 [0-9.]+ ms'
    expect_both_families
    expect_whole_story
    ;;
  user)
    as_user=()
    ((EUID != 0)) || as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups --)
    "${as_user[@]}" test -x "$QUICKSTART_BIN_DIR/pcap-zmq-send" -a -x "$quickstart" ||
      skip "an ordinary user cannot read this checkout"
    namespaces_possible "${as_user[@]}" unshare --user --map-root-user -- ||
      skip "user namespaces are not available here"
    "${as_user[@]}" "$quickstart" >"$output" 2>&1 || fail "exit status $?"
    expect_output 'logged by the kernel +[1-9]'
    expect_both_families
    expect_whole_story
    ;;
  replay)
    "$quickstart" --replay >"$output" 2>&1 || fail "exit status $?"
    expect_output 'in the capture file +60$'
    expect_output 'delivered into the FIFO +60$'
    expect_both_families
    expect_whole_story
    ;;
  forbidden)
    # An unshare that may not.
    mkdir "$TMPDIR/bin"
    printf '%s\n' '#!/bin/sh' 'echo "unshare failed: Operation not permitted" >&2' 'exit 1' \
      >"$TMPDIR/bin/unshare"
    chmod +x "$TMPDIR/bin/unshare"
    PATH=$TMPDIR/bin:$PATH "$quickstart" >"$output" 2>&1 || fail "exit status $?"
    rm -r "${TMPDIR:?}/bin"
    expect_output 'namespaces are not available here \(unshare failed: Operation not permitted\)'
    expect_output 'replays a capture file'
    expect_output 'delivered into the FIFO +60$'
    expect_whole_story
    ;;
  interrupt) interrupt INT 'pcap-zmq-send' 130 ;;
  terminate) interrupt TERM 'pcap-zmq-recv' 143 ;;
  *)
    echo "what is '$way'?"
    exit 2
    ;;
esac
expect_nothing_left
cat "$output"
