#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs the README's example as it is written, on two hosts of its own: a gateway between a client and
# a server, and an IDS host called ids.host.  Only the reader is another one, for want of Snort.
# Usage: readme_example_test.sh README BIN_DIR
set -euo pipefail

if ((EUID != 0)); then
  echo "SKIPPED: only root can give the example a /run and an /etc/hosts of its own"
  exit 77
fi
for tool in iptables ip6tables tcpdump nsenter; do
  if ! command -v "$tool" >/dev/null; then
    echo "SKIPPED: $tool is not installed"
    exit 77
  fi
done
if [[ ${README_EXAMPLE_INSIDE:-} != yes ]]; then
  README_EXAMPLE_INSIDE=yes exec unshare --net --mount --propagation private -- "$0" "$@"
fi

readme=$1
export PATH=$2:/usr/sbin:/sbin:$PATH
export LC_ALL=C
work=$(mktemp -d)
declare -A pid=()
clean_up() {
  local process
  exec 2>/dev/null
  for process in "${pid[@]}"; do
    kill -KILL "$process" || true
  done
  wait
  umount /etc/hosts /run || true
  rm -rf "$work"
}
trap clean_up EXIT

wait_for() {  # WHAT COMMAND...
  local what=$1 deadline=$((SECONDS + 180))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { echo "FAILED: gave up waiting for $what"; tail -n 5 "$work"/*.err; exit 1; }
    read -rt 0.05 <> <(:) || true
  done
}

on() {  # HOST COMMAND...
  local host=$1
  shift
  if [[ $host == gateway ]]; then "$@"; else nsenter --target "${pid[$host]}" --net -- "$@"; fi
}

# Starts NAME in the background; it ends with this shell.
start() {  # NAME HOST COMMAND...
  local name=$1 enter=()
  [[ $2 == gateway ]] || enter=(nsenter --target "${pid[$2]}" --net --)
  shift 2
  setpriv --pdeathsig KILL -- "${enter[@]}" "$@" 2>"$work/$name.err" &
  pid[$name]=$!
}

add_host() {  # NAME IPV4-PREFIX IPV6-PREFIX
  start "$1" gateway unshare --net -- sleep infinity
  wait_for "namespace $1" test ! "/proc/${pid[$1]}/ns/net" -ef /proc/self/ns/net
  ip link add "to-$1" type veth peer name eth0 netns "${pid[$1]}"
  ip addr add "$2.1/24" dev "to-$1"
  ip addr add "$3:1/64" dev "to-$1" nodad
  ip link set "to-$1" up
  on "$1" ip addr add "$2.2/24" dev eth0
  on "$1" ip addr add "$3:2/64" dev eth0 nodad
  on "$1" ip link set eth0 up
  on "$1" ip link set lo up
  on "$1" ip route add default via "$2.1"
  on "$1" ip route add default via "$3:1"
}

mount -t tmpfs none /run
{ cat /etc/hosts; echo "203.0.113.2 ids.host"; } >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts
ip link set lo up
add_host client 198.51.100 2001:db8:ffff:1:
add_host server 192.0.2 2001:db8:0:2:
add_host ids.host 203.0.113 2001:db8:ffff:3:
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding

# "gateway# command" and "ids.host# command", in the order in which the README has them.
lines=0
while IFS= read -r line; do
  host=${line%%#*}
  command=${line#*# }
  command=${command%&}
  lines=$((lines + 1))
  case $command in
    pcap-zmq-*)
      name=${command%% *}
      # shellcheck disable=SC2086
      start "$name" "$host" $command
      ;;
    snort*)
      echo "the reader is cat in place of: $command"
      wait_for "the FIFO" test -p /run/snort.pcap
      start reader "$host" cat /run/snort.pcap >"$work/read.pcap"
      ;;
    *)
      # shellcheck disable=SC2086
      on "$host" $command
      ;;
  esac
done < <(sed -n '/<!-- example -->/,/<!-- \/example -->/p' "$readme" | grep -E '^(gateway|ids\.host)# ')
((lines == 7)) || { echo "FAILED: the README's example has $lines commands, not 7"; exit 1; }

wait_for "both groups" grep -qE '^ +1 ' /proc/net/netfilter/nfnetlink_log
# Nobody listens there: each connection is a packet and its answer.
# shellcheck disable=SC2016
on client bash -c 'for i in 1 2 3 4 5; do
  ! : 2>/dev/null >/dev/tcp/192.0.2.2/9; ! : 2>/dev/null >/dev/tcp/2001:db8:0:2::2/9; done'

shown() { tcpdump -nn -r - <"$work/read.pcap" 2>/dev/null; }
# The connections to, or answers from, a server's port of which a packet came; the first may have been
# sent several times.
connections() {  # TO-OR-FROM SERVER
  local pattern=" $2.9 > .*\.\([0-9]*\): Flags \[R"
  [[ $1 == from ]] || pattern="\.\([0-9]*\) > $2.9: Flags \[S"
  shown | sed -n "s/.*$pattern.*/\1/p" | sort -u | wc -l
}
all_shown() {
  local server
  for server in 192.0.2.2 2001:db8:0:2::2; do
    (($(connections to "$server") == 5 && $(connections from "$server") == 5)) || return
  done
}
wait_for "five connections of each family, both ways, from the FIFO" all_shown
for name in pcap-zmq-send pcap-zmq-recv; do
  kill -TERM "${pid[$name]}"
  wait "${pid[$name]}" || { echo "FAILED: $name ended with status $?"; exit 1; }
  unset "pid[$name]"
done
echo "the README's example delivered both directions of 5 connections of each family"
