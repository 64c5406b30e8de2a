#!/bin/bash
# SPDX-License-Identifier: MIT
#
# scripts/run-ctest lists skipped tests with their reasons, and hands on ctest's status and summary.
# Usage: skip_report_test.sh REPOSITORY
set -uo pipefail
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
expect() {  # PATTERN
  grep -qE -- "$1" "$work/output" || {
    echo "FAILED: no '$1' in the output"
    failures=1
  }
}

mkdir -p "$work/scripts"
cp "$1/scripts/run-ctest" "$work/scripts/"
cat >"$work/CMakeLists.txt" <<'TEXT'
cmake_minimum_required(VERSION 3.25)
project(sample NONE)
enable_testing()
add_test(NAME fine COMMAND true)
add_test(NAME script COMMAND sh -c "echo SKIPPED: no such kernel; exit 77")
add_test(NAME googletest COMMAND printf "%s\\n" "a_test.cc:12: Skipped" "needs root" "[  SKIPPED ] A.B (0 ms)")
add_test(NAME wrong COMMAND false)
set_tests_properties(script PROPERTIES SKIP_RETURN_CODE 77)
set_tests_properties(googletest PROPERTIES SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
TEXT
cat >"$work/CMakePresets.json" <<'TEXT'
{"version": 6,
 "configurePresets": [{"name": "dev", "generator": "Ninja", "binaryDir": "${sourceDir}/build/dev"}],
 "testPresets": [{"name": "dev", "configurePreset": "dev"}]}
TEXT
cd "$work" || exit 1
cmake --preset dev >configure.log 2>&1 || {
  cat configure.log
  exit 1
}

scripts/run-ctest dev -E wrong >output 2>&1 || {
  echo "FAILED: tests that pass or are skipped gave status $?"
  failures=1
}
expect '^SKIPPED: script: no such kernel$'
expect '^SKIPPED: googletest: needs root$'
expect '^100% tests passed'
last_skip=$(grep -n '^SKIPPED' output | tail -n 1 | cut -d: -f1)
summary=$(grep -n '% tests passed' output | cut -d: -f1)
((last_skip < summary)) || {
  echo "FAILED: the summary does not come last"
  failures=1
}

scripts/run-ctest dev >output 2>&1 && {
  echo "FAILED: a failing test gave status 0"
  failures=1
}
expect 'wrong \(Failed\)'
((failures == 0)) || cat output
exit "$failures"
