#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The dashboard's JSON is of the types that Grafana publishes as @grafana/schema: the whole of it,
# and each panel's options and fields by the kind of the panel.  scripts/install-node-tools gets
# what it needs into build/node.
# Usage: dashboard_types_test.sh REPOSITORY.  Exit status 77 means skipped.
set -uo pipefail
repository=$(readlink -f "$1")
modules=$repository/build/node/node_modules

skip() {
  echo "SKIPPED: $*"
  exit 77
}
fail() {
  echo "FAILED: $*"
  exit 1
}

command -v node >/dev/null || skip "node is not installed"
[[ -d $modules/@grafana/schema && -x $modules/.bin/tsc ]] ||
  skip "@grafana/schema and typescript are not in build/node: scripts/install-node-tools"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
ln -s "$modules" "$work/node_modules"
python3 "$(dirname "$0")/dashboard_types.py" \
  "$repository/grafana/dashboards/pcap-zmq-pipe.json" >"$work/dashboard.ts" || fail "no TypeScript"

types_fit() {
  "$modules/.bin/tsc" --noEmit --strict --target es2022 --module esnext --moduleResolution bundler \
    --skipLibCheck "$1"
}

types_fit "$work/dashboard.ts" || fail "the dashboard is not of Grafana's types"

# A check that finds nothing must have been able to: each of these must not pass.
planted=0
while IFS='|' read -r what edit; do
  sed "$edit" "$work/dashboard.ts" >"$work/planted.ts"
  cmp -s "$work/dashboard.ts" "$work/planted.ts" && fail "nothing to plant: $what"
  types_fit "$work/planted.ts" >/dev/null && fail "not noticed: $what"
  planted=$((planted + 1))
done <<'TEXT'
an option that no time series has|/^export const options/ s/"displayMode": /"displayMade": /
a value that an option does not take|/^export const options/ s/"mode": "multi"/"mode": "many"/
a field that no dashboard has|s/"schemaVersion"/"schemaVersions"/
a link without its address's type|s/"type": "link"/"type": "address"/
a variable hidden in no known way|s/"hide": 2/"hide": 7/
a stacking mode that is none|/^export const fields/ s/"mode": "normal"/"mode": "high"/
a layout that no heat map has|/^export const options/ s/"layout": "le"/"layout": "less"/
TEXT
echo "the dashboard is of Grafana's types; $planted planted mistakes were found"
