#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What `cmake --install` puts under a prefix.  Usage: install_test.sh BUILD_DIR VERSION
set -uo pipefail
prefix=$(mktemp -d) || exit 1
trap 'rm -rf "$prefix"' EXIT
failures=0
expect() {  # WHAT COMMAND...
  local what=$1
  shift
  "$@" >/dev/null 2>&1 || {
    echo "FAILED: $what"
    failures=1
  }
}

cmake --install "$1" --prefix "$prefix" >"$prefix.log" 2>&1 || {
  cat "$prefix.log"
  rm -f "$prefix.log"
  exit 1
}
rm -f "$prefix.log"
for program in pcap-zmq-send pcap-zmq-recv pcap-zmq-keygen; do
  expect "$program runs from the prefix and says its version" \
    grep -qF "$program $2" <("$prefix/bin/$program" --version)
done
expect "README.md is installed" test -s "$prefix/share/doc/pcap-zmq-pipe/README.md"
expect "CHANGELOG.md is installed, and has a section for this version" \
  grep -q "^## $2" "$prefix/share/doc/pcap-zmq-pipe/CHANGELOG.md"
expect "LICENSE is installed" test -s "$prefix/share/doc/pcap-zmq-pipe/LICENSE"
expect "no static library is installed" test -z "$(find "$prefix" -name '*.a')"
expect "no header is installed" test -z "$(find "$prefix" -name '*.h')"
((failures == 0)) || (cd "$prefix" && find . -type f)
exit "$failures"
