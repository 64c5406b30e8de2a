#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs queries_test.py, with the images, beside the engine that DOCKER_HOST names.
# Usage: queries_test.sh [containers] REPOSITORY.  Exit status 77 means skipped.
set -uo pipefail
export PATH=$PATH:/usr/sbin:/sbin

# shellcheck source=tests/deploy/verdict.sh
. "$(dirname "$(readlink -f "$0")")/../verdict.sh"

for tool in prometheus nft ss python3; do
  command -v "$tool" >/dev/null || skip "$tool is not installed"
done
[[ -n ${DOCKER_HOST:-} ]] || skip "no Docker engine: run ./check --containers"
exec "$(dirname "$(readlink -f "$0")")/queries_test.py" "${!#}"
