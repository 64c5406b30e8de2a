#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Loads every block of rules that a document has, and every file of docker/rules/, on a gateway (or
# on the two nodes of a cluster) of its own, sends HTTP sessions through, and expects each packet
# once, both directions, each session in one group.  With Suricata, on PATH or in an image, each
# session must also alert, once.
# Usage: rule_blocks_test.sh ROOT BIN_DIR [--image IMAGE] [--only REGEX]
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/deploy/verdict.sh
. "$here/verdict.sh"
[[ " $* " != *" --image "* || -n ${DOCKER_HOST:-} ]] ||
  skip "no Docker engine: DOCKER_HOST is not set"
# shellcheck source=tests/deploy/rules_namespaces.sh
. "$here/rules_namespaces.sh"
if [[ " $* " == *" --image "* ]]; then
  # In case that the test itself could not: process 1 of its namespace gave the container its name.
  trap 'docker rm --force "ids-same-1-${work##*/}" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
fi
status=0
"${own[@]}" -- python3 -B "$here/rule_blocks_cases.py" "$1" "$2" "$work" "${@:3}" || status=$?
exit "$status"
