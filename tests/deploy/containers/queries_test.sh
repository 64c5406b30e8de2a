#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs queries_test.py in a network of its own: with the programs of a build in new namespaces, or
# with the images beside the engine that DOCKER_HOST names.
# Usage: queries_test.sh binaries REPOSITORY BIN_DIR
#        queries_test.sh containers REPOSITORY
# Exit status 77 means skipped.
set -uo pipefail
way=$1
test=$(dirname "$(readlink -f "$0")")/queries_test.py

skip() {
  echo "SKIPPED: $*"
  exit 77
}

for tool in prometheus nft ss python3; do
  PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || skip "$tool is not installed"
done
export PATH=$PATH:/usr/sbin:/sbin

if [[ $way == containers ]]; then
  [[ -n ${DOCKER_HOST:-} ]] || skip "no Docker engine: run ./check --containers"
  exec "$test" "$@"
fi

enter=(unshare --net --mount)
((EUID == 0)) || enter=(unshare --user --map-root-user --net --mount)
"${enter[@]}" -- ip link set lo up 2>/dev/null || skip "network namespaces are not available here"
"${enter[@]}" -- test -e /proc/net/netfilter/nfnetlink_log || skip "the kernel has no NFLOG"
exec "${enter[@]}" -- bash -c 'ip link set lo up && exec "$@"' _ "$test" "$@"
