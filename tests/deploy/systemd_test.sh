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

# The rules' unit: what it runs is tried with each recipe, in a network of its own.
unit=pcap-zmq-rules.service
nft=$(PATH=$PATH:/usr/sbin:/sbin command -v nft) || nft=
sed -e "s|/usr/sbin/nft|${nft:-$(command -v true)}|" -e '/^Documentation=/d' \
  "$units/$unit" >"$work/$unit"
output=$(systemd-analyze verify --man=no "$work/$unit" 2>&1) || fail "$unit is refused: $output"
! grep -F "$unit" <<<"$output" || fail "systemd has something to say on $unit"
for want in After PartOf ReloadPropagatedFrom; do
  grep -qx "$want=nftables.service" "$units/$unit" || fail "$unit does not follow by $want="
done
grep -q '^WantedBy=.*nftables.service' "$units/$unit" ||
  fail "a firewall that is stopped and started again does not start $unit"
step() {  # NAME: what the unit runs at that step
  sed -nE "s|^$1=-?/usr/sbin/nft|$nft|p" "$units/$unit" |
    sed "s|/etc/pcap-zmq/rules.nft|$work/rules.nft|"
}
private=(unshare --net --)
((EUID == 0)) || private=(unshare --user --map-root-user --net --)
if [[ -z $nft ]] || ! "${private[@]}" "$nft" list ruleset >/dev/null 2>&1; then
  echo "nft cannot be tried here; the unit's commands are not run"
else
  for rules in "$1"/docker/rules/*.nft; do
    cp "$rules" "$work/rules.nft"
    # Loaded, flushed by the firewall, loaded again, gone after the stop.
    "${private[@]}" bash -ec "$(step ExecStart)
      $nft flush ruleset
      $(step ExecReload)
      $nft list table inet pcap_zmq >/dev/null
      $(step ExecStop)
      ! $nft list table inet pcap_zmq 2>/dev/null" >"$work/said" 2>&1 ||
      fail "$unit with ${rules##*/}: $(cat "$work/said")"
    # Whoever includes it all the same must not redefine a name of his.
    ! grep '^define ' "$rules" | grep -v '^define pcap_zmq_' || fail "a bare name in $rules"
  done
fi
((failures == 0)) && echo "systemd understands the units."
exit "$failures"
