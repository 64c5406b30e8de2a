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

# One run of each for many files: to start them takes longer than to check.
models_fit() {  # YAML...: writes the TypeScript beside it
  node "$here/manifests.mjs" "$modules" "$@"
}
types_fit() {  # TYPESCRIPT...
  "$modules/.bin/tsc" --noEmit --strict --target es2022 --module esnext --moduleResolution bundler \
    --skipLibCheck --pretty false "$@"
}

# Each whole: golden/ itself has of most only what they change.
mkdir "$work/golden" "$work/planted"
"$here/golden.py" "$work/golden" || exit
for rendered in "$work"/golden/*.yaml; do
  # Where golden/ names a file in its place, any text will do; the alerts' text is an object.
  sed -i -E 's|^  <grafana/prometheus/alerts.yml>$|  groups: []|' "$rendered"
done
# The alerts themselves, as the operator's type has them.
{
  printf '%s\n' 'apiVersion: monitoring.coreos.com/v1' 'kind: PrometheusRule' \
    'metadata: {name: alerts}' 'spec:'
  sed 's/^/  /' "$repository/grafana/prometheus/alerts.yml"
} >"$work/alerts.yaml"
models_fit "$work"/golden/*.yaml "$work/alerts.yaml" >"$work/said" || fail "$(cat "$work/said")"
(($(wc -l <"$work/said") > 6)) || fail "golden/ has few scenarios: $(cat "$work/said")"
types_fit "$work"/golden/*.ts "$work/alerts.ts" || fail "the objects are not of their types"

# A check that finds nothing must have been able to: each of these must be found by one of the two.
declare -a planted=()
while IFS='|' read -r name what edit; do
  file=$work/planted/planted-${#planted[@]}.yaml
  sed -E "$edit" "$work/golden/$name.yaml" >"$file"
  cmp -s "$work/golden/$name.yaml" "$file" && fail "nothing to plant: $what"
  planted+=("$what")
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
models_fit "$work"/planted/*.yaml >"$work/found"
types_fit "$work"/planted/*.ts >>"$work/found"
for number in "${!planted[@]}"; do
  grep -qE "(^|/)planted-$number(: wrong: |\.ts\()" "$work/found" ||
    fail "not noticed: ${planted[number]}"
done
cat "$work/said"
echo "all of them are of Kubernetes' types; ${#planted[@]} planted mistakes were found"
