#!/bin/sh
# SPDX-License-Identifier: MIT
# Usage: comparison_test.sh BUILD_DIR.  One short cell of the comparison, and what it writes.
set -eu
build=$1
compare=$(dirname "$0")/compare

for tool in unshare ip nft python3; do
  command -v "$tool" >/dev/null || {
    echo "SKIPPED: $tool is not installed"
    exit 77
  }
done
if ! unshare --net true 2>/dev/null && ! unshare -Urn true 2>/dev/null; then
  echo "SKIPPED: this user may not make a network namespace"
  exit 77
fi
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

# Two seconds, in which a machine under load lets something through, too.
"$compare" --quick --window 2 --build-dir "$build" --json "$directory/figures.json" \
  --svg "$directory/chart.svg" >"$directory/table"
cat "$directory/table"
for contender in bare pipe pipe-curve; do
  grep -Eq "^\| +$contender \|" "$directory/table" || {
    echo "the table has no line for $contender"
    exit 1
  }
done
grep -q "1st second us" "$directory/table" || {
  echo "the table does not tell what the start costs"
  exit 1
}
grep -q "^encrypted to plain, 128 B, 20,000 pps: " "$directory/table"
python3 - "$directory/figures.json" <<'END'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    rows = json.load(file)["medians"]["128 B, 20,000 pps"]
for name, row in rows.items():
    for figure in ("delivered_pps", "delivered_bps", "sender_ns", "receiver_ns", "p50", "p99"):
        assert row[figure] > 0, f"{name}: {figure} is {row[figure]}"
    # A machine under load may let nothing through in a second.
    assert row["start_ns"] is None or row["start_ns"] > 0, f"{name}: {row['start_ns']}"
END
grep -q '^<svg ' "$directory/chart.svg"
"$compare" --connection 8 --rounds 1 --build-dir "$build" >"$directory/connection"
cat "$directory/connection"
for way in "in the clear" encrypted; do
  grep -Eq "^one connection, 65,000 B, $way: [1-9]" "$directory/connection" || {
    echo "no rate is told of a connection $way"
    exit 1
  }
done
if "$compare" --contenders nobody >"$directory/said" 2>&1; then
  echo "an unknown contender is accepted"
  exit 1
fi
grep -q "no contender is called nobody" "$directory/said"
