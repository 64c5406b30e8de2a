#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Checks the rules that the tree keeps (src/README.md and CONTRIBUTING.md say why).
# Usage: tree_rules.sh ROOT.  Prints a line for each breach; fails if there is one.
set -uo pipefail
cd "$1" || exit 2

breaches=0
breach() {
  printf 'BREACH: %s\n' "$*"
  breaches=$((breaches + 1))
}

sources() {  # FOLDER...
  find "$@" \( -name '*.cc' -o -name '*.h' -o -name '*.h.in' \) -type f | sort
}

# A stage includes base and itself; base includes itself; app may include all.
check_include_rule() {
  local file folder from target
  while read -r file; do
    from=${file#src/}
    from=${from%%/*}
    while read -r target; do
      folder=${target%%/*}
      if [[ $target != */* ]]; then
        breach "$file includes \"$target\", which is not written from src/"
      elif [[ $from != app && $folder != base && $folder != "$from" ]]; then
        breach "$file includes \"$target\": $from/ may include base/ and itself only"
      elif [[ $from == base && $folder != base ]]; then
        breach "$file includes \"$target\": base/ may include itself only"
      fi
    done < <(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file")
  done < <(sources src)
}

# The folders that may name a header of another project; nothing for the system's own headers.
# A header that is neither is a breach, so that a new library finds its folder here first.
owner_of() {
  case $1 in
    libnetfilter_log/* | libmnl/* | pcap.h | pcap/*) echo source ;;
    zmq.h | zmq.hpp) echo transport ;;
    zlib.h | zstd.h) echo codec ;;
    prometheus/* | civetweb.h) echo metrics ;;
    CLI/* | seccomp.h) echo app ;;
    nlohmann/*) echo "codec app" ;;
    sys/* | linux/* | net/* | netinet/* | arpa/*) ;;
    */*) echo nobody ;;
  esac
}

check_third_party_rule() {
  local file from header owners
  while read -r file; do
    from=${file#src/}
    from=${from%%/*}
    while read -r header; do
      owners=$(owner_of "$header")
      if [[ -n $owners && " $owners " != *" $from "* ]]; then
        breach "$file includes <$header>, which belongs to: $owners"
      fi
    done < <(sed -n 's/^ *# *include *<\([^>]*\)>.*/\1/p' "$file")
  done < <(sources src)
}

check_licence_lines() {
  local file count
  while read -r file; do
    count=$(grep -c 'SPDX-License-Identifier: MIT$' "$file")
    if [[ $count != 1 ]] || ! head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT$'; then
      breach "$file has $count SPDX lines; it wants one, at the top"
    fi
  done < <(sources src tests; scripts_of_the_tree)
}

scripts_of_the_tree() {
  grep -rlE --exclude-dir=.git --exclude-dir=build '^(#!/bin/(ba)?sh|# shellcheck shell=)' . |
    sed 's|^\./||' | sort
}

check_scripts() {
  local file
  while read -r file; do
    bash -n "$file" || breach "$file is not valid bash"
    if command -v shellcheck >/dev/null; then
      shellcheck --external-sources --severity=warning "$file" || breach "$file: see shellcheck above"
    fi
  done < <(scripts_of_the_tree)
}

check_sizes() {
  local file lines limit
  while read -r file; do
    lines=$(wc -l <"$file")
    limit=400
    [[ $file != tests/* ]] || limit=600
    ((lines <= limit)) || breach "$file has $lines lines; over $limit, split it"
  done < <(sources src tests; scripts_of_the_tree)
}

# tests/<folder>/<name>_test.cc tests src/<folder>/<name>, or says what else it tests: "// Twin of
# src/sink/fifo_sink.cc" or "// Twin of none: why".  Folders that src/ does not have are free.
check_twins() {
  local file twin named
  while read -r file; do
    twin=src/${file#tests/}
    twin=${twin%_test.cc}
    [[ -d ${twin%/*} ]] || continue
    named=$(sed -n 's|^// Twin of \([a-z0-9_/.]*[a-z0-9_]\).*|\1|p' "$file" | head -n 1)
    if [[ -n $named ]]; then
      [[ $named == none || -f $named ]] || breach "$file calls itself twin of $named, which is not there"
    elif ! compgen -G "$twin.*" >/dev/null; then
      breach "$file: there is no $twin; say '// Twin of src/...' or '// Twin of none: why'"
    fi
  done < <(find tests -name '*_test.cc' | sort)
}

# A test that no CMakeLists.txt names is never run.
check_tests_are_built() {
  local file
  while read -r file; do
    grep -q "${file##*/}" "${file%/*}/CMakeLists.txt" ||
      breach "$file is not named in ${file%/*}/CMakeLists.txt, so nobody runs it"
  done < <(find tests -name '*_test.cc' | sort)
}

# A test that waits by sleeping is either slow or flaky.
check_no_sleeping() {
  local hits
  hits=$(grep -rnE '\b(sleep_for|sleep_until|usleep|nanosleep)\(|[^_a-zA-Z]sleep\([0-9]' \
    --include='*_test.cc' tests | grep -v 'NOLINT(sleep)')
  [[ -z $hits ]] || breach "tests wait for events and do not sleep:"$'\n'"$hits"
}

# A thread or an eventfd that the system refuses has to become an error line, which the two helpers
# in base/ see to.
check_starts() {
  local hits
  hits=$(sources src | grep -vE '^src/base/(thread|event_fd)\.cc$' |
    xargs grep -nE '\bstd::(thread|jthread)( [a-z_]+)?[({]|\bstd::async\(|\bpthread_create\(|\beventfd\(')
  [[ -z $hits ]] ||
    breach "threads start by StartThread() and eventfds by MakeEventFd():"$'\n'"$hits"
}

check_include_rule
check_third_party_rule
check_starts
check_licence_lines
check_scripts
check_sizes
check_twins
check_tests_are_built
check_no_sleeping
if ((breaches)); then
  echo "$breaches breaches"
  exit 1
fi
echo "the tree keeps its rules"
