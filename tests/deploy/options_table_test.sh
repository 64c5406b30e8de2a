#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The README's options tables list exactly the options of --help.
# Usage: options_table_test.sh README SEND RECV
set -uo pipefail
readme=$1
failures=0

# First columns of the table rows between <!-- options:NAME --> and its end, one option a line.
options_in_readme() {
  sed -n "/<!-- options:$1 -->/,/<!-- \/options:$1 -->/p" "$readme" |
    awk -F'|' '/^\|/ { print $2 }' | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u
}

# What opens a line of --help, with or without a short form before it.
options_in_help() {
  "$1" --help | sed -nE 's/^ +(-[A-Za-z],? *)?(--[a-z][a-z0-9-]*).*/\2/p' | sort -u
}

compare() {  # NAME PROGRAM
  local documented real
  documented=$(options_in_readme "$1")
  real=$(options_in_help "$2")
  if (($(wc -l <<<"$real") < 5)); then
    printf 'FAILED: no options found in %s --help\n' "$2"
    failures=1
  elif ! diff -u --label "README, options:$1" --label "$2 --help" \
    <(echo "$documented") <(echo "$real"); then
    failures=1
  fi
}

compare send "$2"
compare recv "$3"
((failures == 0)) && echo "README and --help list the same options"
exit "$failures"
