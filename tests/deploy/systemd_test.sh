#!/bin/bash
# SPDX-License-Identifier: MIT
#
# systemd understands the units as they are written, and they agree with the programs.
# Usage: systemd_test.sh ROOT BIN_DIR.  Status 77, with the reason: there is no systemd-analyze.
set -uo pipefail
units=$1/deploy/systemd
bin=$2
if ! command -v systemd-analyze >/dev/null; then
  echo "SKIPPED: systemd-analyze is not installed here"
  exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
  echo "FAILED: $*"
  failures=1
}

for program in send recv; do
  unit=pcap-zmq-$program.service
  # Only installed programs and manuals are there to be found.
  sed -e "s|/usr/local/bin/|$bin/|" -e '/^Documentation=/d' "$units/$unit" >"$work/$unit"
  # It warns of what it does not know, and succeeds.
  output=$(systemd-analyze verify --man=no "$work/$unit" 2>&1) || fail "$unit is refused: $output"
  ! grep -F "$unit" <<<"$output" || fail "systemd has something to say on $unit"
  # Variables in it are the program's, which names an unknown one.
  mapfile -t variables < <(sed -nE 's/^(#  |)? *(Environment=)?(PCAP_ZMQ_[A-Z_]+=.*)$/\3/p' "$units/$unit")
  env "${variables[@]}" "$bin/pcap-zmq-$program" --print-config >"$work/config" 2>&1 ||
    fail "$unit: $(cat "$work/config")"
  for want in Type=notify NoNewPrivileges=yes WatchdogSec= SystemCallArchitectures=native; do
    grep -q "^$want" "$units/$unit" || fail "$unit has no $want"
  done
done
((failures == 0)) && echo "systemd understands the units."
exit "$failures"
