#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What ships is hardened: the programs of the release preset, where they are built, and what the
# check finds missing where something is.
# Usage: hardening_test.sh ROOT COMPILER
set -uo pipefail
root=$1
compiler=$2
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/deploy/verdict.sh
. "$here/verdict.sh"
# shellcheck source=tests/deploy/hardening_lib.sh
. "$here/hardening_lib.sh"
command -v readelf >/dev/null && command -v objdump >/dev/null || skip "binutils are not installed"

# The check sees what a bare build lacks.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
printf '#include <cstdio>\nint main() { return std::puts("bare"); }\n' >"$work/bare.cc"
"$compiler" -no-pie -fno-stack-protector -fcf-protection=none -Wl,-z,norelro,-z,lazy,-z,execstack \
  -o "$work/bare" "$work/bare.cc" 2>/dev/null ||
  "$compiler" -no-pie -fno-stack-protector -Wl,-z,norelro,-z,lazy,-z,execstack \
    -o "$work/bare" "$work/bare.cc" || fail "cannot compile a bare program"
found=$(missing_hardening "$work/bare")
for lack in position-independent RELRO lazily "executable stack" stack-protector FORTIFY ASSERTIONS; do
  grep -q "$lack" <<<"$found" || fail "the check does not see what is missing: $lack"
done

# Some flags leave no trace in a file for certain; the others are looked for where nothing is built.
for flag in -fstack-clash-protection -D_GLIBCXX_ASSERTIONS -fPIE -pie -Wl,-z,relro,-z,now \
  'PCAP_ZMQ_PROTECT_CONTROL_FLOW": "ON"'; do
  grep -qE -- "[ \"]$flag" "$root/CMakePresets.json" || fail "the release preset lacks $flag"
done

build=$root/build/release
[[ -x $build/src/app/pcap-zmq-send && -x $build/src/app/pcap-zmq-recv ]] ||
  skip "the release is not built here: cmake --preset release && cmake --build --preset release"
[[ $build/build.ninja -nt $root/CMakePresets.json ]] ||
  skip "build/release is older than CMakePresets.json: cmake --preset release, and build it"
for program in pcap-zmq-send pcap-zmq-recv pcap-zmq-keygen; do
  [[ ! -x $build/src/app/$program ]] || missing_hardening "$build/src/app/$program"
done >"$work/found"
[[ ! -s $work/found ]] || fail "$(<"$work/found")"
echo "the programs in build/release are hardened"
