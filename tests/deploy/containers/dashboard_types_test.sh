#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The dashboards' JSON is of the types that Grafana publishes as @grafana/schema: the whole of it,
# and each panel's options and fields by the kind of the panel.  scripts/install-node-tools gets
# what it needs into build/node.
# Usage: dashboard_types_test.sh REPOSITORY [NODE_MODULES].  Exit status 77 means skipped.
set -uo pipefail
repository=$(readlink -f "$1")
modules=$(readlink -m "${2:-$repository/build/node/node_modules}")

# shellcheck source=tests/deploy/verdict.sh
. "$(dirname "$(readlink -f "$0")")/../verdict.sh"

command -v node >/dev/null || skip "node is not installed"
[[ -d $modules/@grafana/schema && -x $modules/.bin/tsc ]] ||
  skip "@grafana/schema and typescript are not in build/node: scripts/install-node-tools"

# Another version's types are not those of the Grafana that the compose file runs.
version_in() {
  sed -n 's|^ *"'"$2"'": "\([^"]*\)".*|\1|p' "$1"
}
wanted=$(version_in "$repository/tests/deploy/containers/node/package.json" @grafana/schema)
there=$(version_in "$modules/@grafana/schema/package.json" version)
[[ -n $wanted ]] || fail "package.json names no version of @grafana/schema"
[[ $there == "$wanted" ]] ||
  skip "@grafana/schema is $there and not $wanted: scripts/install-node-tools"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
ln -s "$modules" "$work/node_modules"

# One run for many files: to start takes longer than to check.
types_fit() {  # TYPESCRIPT...
  "$modules/.bin/tsc" --noEmit --strict --target es2022 --module esnext --moduleResolution bundler \
    --skipLibCheck --pretty false "$@"
}

dashboards=0
mkdir "$work/dashboards" "$work/planted"
for dashboard in "$repository"/grafana/dashboards/*.json; do
  name=$(basename "$dashboard" .json)
  python3 "$(dirname "$0")/dashboard_types.py" "$dashboard" >"$work/dashboards/$name.ts" ||
    fail "no TypeScript"
  dashboards=$((dashboards + 1))
done
types_fit "$work"/dashboards/*.ts || fail "the dashboards are not of Grafana's types"

# A check that finds nothing must have been able to: each of these must not pass.
declare -a planted=()
while IFS='|' read -r name what edit; do
  file=$work/planted/planted-${#planted[@]}.ts
  sed "$edit" "$work/dashboards/$name.ts" >"$file"
  cmp -s "$work/dashboards/$name.ts" "$file" && fail "nothing to plant: $what"
  planted+=("$what")
done <<'TEXT'
pcap-zmq-pipe|an option that no time series has|/^export const options/ s/"displayMode": /"displayMade": /
pcap-zmq-pipe|a value that an option does not take|/^export const options/ s/"mode": "multi"/"mode": "many"/
pcap-zmq-pipe|a field that no dashboard has|s/"schemaVersion"/"schemaVersions"/
pcap-zmq-pipe|a link without its address's type|s/"type": "link"/"type": "address"/
pcap-zmq-pipe|a variable refreshed in no known way|s/"refresh": 2/"refresh": 7/
pcap-zmq-pipe|a stacking mode that is none|/^export const fields/ s/"mode": "normal"/"mode": "high"/
pcap-zmq-pipe|a layout that no heat map has|/^export const options/ s/"layout": "le"/"layout": "less"/
pcap-zmq-runbook|a text that is of no kind|/^export const options/ s/"mode": "markdown"/"mode": "prose"/
pcap-zmq-runbook|a text without its content|/^export const options/ s/"content": /"contents": /
pcap-zmq-runbook|a panel whose place is no number|s/"gridPos": {"x": 0/"gridPos": {"x": "left"/
TEXT
types_fit "$work"/planted/*.ts >"$work/found"
for number in "${!planted[@]}"; do
  grep -qE "(^|/)planted-$number\.ts\(" "$work/found" || fail "not noticed: ${planted[number]}"
done
echo "$dashboards dashboards are of Grafana's types; ${#planted[@]} planted mistakes were found"
