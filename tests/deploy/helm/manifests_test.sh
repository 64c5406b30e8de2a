#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the chart renders is of Kubernetes' types, without unknown keys, in every scenario of golden/.
# Usage: manifests_test.sh REPOSITORY [NODE_MODULES].  Exit status 77 means skipped.
set -uo pipefail
repository=$(readlink -f "$1")
modules=$(readlink -m "${2:-$repository/build/node/node_modules}")
here=$(dirname "$(readlink -f "$0")")

# shellcheck source=tests/deploy/verdict.sh
. "$here/../verdict.sh"

command -v node >/dev/null || skip "node is not installed"
for needed in kubernetes-models @kubernetes-models/prometheus-operator yaml typescript; do
  [[ -d $modules/$needed ]] || skip "$needed is not in build/node: scripts/install-node-tools"
done

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
ln -s "$modules" "$work/node_modules"

types_fit() {  # TYPESCRIPT...
  "$modules/.bin/tsc" --noEmit --strict --target es2022 --module esnext --moduleResolution bundler \
    --skipLibCheck "$@"
}

# Each whole: golden/ itself has of most only what they change.
mkdir "$work/golden"
"$here/golden.py" "$work/golden" || exit
declare -a checked=()
for rendered in "$work"/golden/*.yaml; do
  name=$(basename "$rendered" .yaml)
  # Where golden/ names a file in its place, any text will do; the alerts' text is an object.
  sed -E 's|^  <grafana/prometheus/alerts.yml>$|  groups: []|' "$rendered" >"$work/$name.yaml"
  node "$here/manifests.mjs" "$modules" "$work/$name.yaml" "$work/$name.ts" >"$work/said" ||
    fail "$name: $(cat "$work/said")"
  checked+=("$name: $(cat "$work/said")")
done
((${#checked[@]} > 5)) || fail "golden/ has ${#checked[@]} scenarios"
types_fit "$work"/*.ts || fail "the objects are not of Kubernetes' types"

# The alerts themselves, as the operator's type has them.
mkdir "$work/alerts"
{
  printf '%s\n' 'apiVersion: monitoring.coreos.com/v1' 'kind: PrometheusRule' \
    'metadata: {name: alerts}' 'spec:'
  sed 's/^/  /' "$repository/grafana/prometheus/alerts.yml"
} >"$work/alerts/alerts.yaml"
node "$here/manifests.mjs" "$modules" "$work/alerts/alerts.yaml" "$work/alerts.ts" ||
  fail "the alerts are no PrometheusRule"
types_fit "$work/alerts.ts" || fail "the alerts are not of the operator's type"

# A check that finds nothing must have been able to: each of these must be found by one of the two.
planted=0
while IFS='|' read -r name what edit; do
  sed -E "$edit" "$work/$name.yaml" >"$work/planted.yaml"
  cmp -s "$work/$name.yaml" "$work/planted.yaml" && fail "nothing to plant: $what"
  if node "$here/manifests.mjs" "$modules" "$work/planted.yaml" "$work/planted.ts" >/dev/null &&
    types_fit "$work/planted.ts" >/dev/null; then
    fail "not noticed: $what"
  fi
  planted=$((planted + 1))
done <<'TEXT'
default|a key of a pod that is none|s/hostNetwork:/hostNetworks:/
default|a key of a container that is none|s/readOnlyRootFilesystem:/readOnlyRootFileSystem:/
default|a number as a text|s/replicas: 2/replicas: "2"/
default|a text as a number|s/value: "1234"/value: 1234/
default|a policy that is none|s/podManagementPolicy: Parallel/podManagementPolicy: AtOnce/
default|a probe of no kind|s/httpGet:/httpGett:/
default|a hook's job without its policy|s/restartPolicy: Never/restartPolicies: Never/
network-policy|a peer that is none|s/ipBlock:/ipBlocks:/
monitoring|a monitor's key that is none|s/scrapeTimeout:/scrapeTimeouts:/
existing-secret|a volume's key that is none|s/secretName:/secretNames:/
TEXT
printf '%s\n' "${checked[@]}"
echo "all of them are of Kubernetes' types; $planted planted mistakes were found"
