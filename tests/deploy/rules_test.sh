#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Loads every rule set of docker/rules/, nftables and iptables, on a gateway of its own between a
# client and a server, and counts what comes out of the pipe.  A rule set that the kernel cannot
# load is reported as SKIPPED and the others are tried all the same.
# Usage: rules_test.sh ROOT BIN_DIR [CASE...]     CASE: forward, "nft groups", ...
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/deploy/verdict.sh
. "$here/verdict.sh"
# shellcheck source=tests/deploy/rules_namespaces.sh
. "$here/rules_namespaces.sh"
status=0
"${own[@]}" -- python3 -B "$here/rules_cases.py" "$1" "$2" "$work" "${@:3}" || status=$?
exit "$status"
