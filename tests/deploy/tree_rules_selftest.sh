#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Plants one breach of each rule in a small tree and expects tree_rules.sh to find it.
set -uo pipefail
rules=$(dirname "$(readlink -f "$0")")/tree_rules.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

spdx='// SPDX-License-Identifier: MIT'
failures=0

fresh_tree() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree/src/"{base,codec,source,app} "$work/tree/tests/codec"
  cd "$work/tree" || exit 1
  printf '%s\n' "$spdx" '#include <zlib.h>' '#include "base/b.h"' '#include "codec/c.h"' >src/codec/c.cc
  printf '%s\n' "$spdx" '#include <sys/socket.h>' '#include <vector>' >src/base/b.h
  printf '%s\n' "$spdx" '#include "codec/c.h"' '#include "source/s.h"' >src/app/a.cc
  printf '%s\n' "$spdx" '#include "codec/c.h"' >tests/codec/c_test.cc
  printf '%s\n' "$spdx" '// Twin of src/codec/c.cc, in odd cases.' >tests/codec/c_odd_test.cc
  echo 'pcap_zmq_test(codec c_test.cc c_odd_test.cc other_test.cc)' >tests/codec/CMakeLists.txt
  printf '%s\n' '#!/bin/bash' "# ${spdx#// }" 'true' >tool
}

expect_breach() {  # TEXT: in the tree as it is now
  local output
  if output=$("$rules" "$work/tree" 2>&1); then
    echo "FAILED: not noticed: $1"
    failures=$((failures + 1))
  elif ! grep -qF -- "$1" <<<"$output"; then
    printf 'FAILED: expected "%s" in:\n%s\n' "$1" "$output"
    failures=$((failures + 1))
  fi
}

fresh_tree
if ! output=$("$rules" "$work/tree" 2>&1); then
  printf 'FAILED: a tree in order is refused:\n%s\n' "$output"
  failures=$((failures + 1))
fi

fresh_tree && echo '#include "source/s.h"' >>src/codec/c.cc
expect_breach 'codec/ may include base/ and itself only'
fresh_tree && echo '#  include "codec/c.h"' >>src/base/b.h
expect_breach 'src/base/b.h includes "codec/c.h"'
fresh_tree && echo '#include "c.h"' >>src/codec/c.cc
expect_breach 'not written from src/'
fresh_tree && echo '#include <zlib.h>' >>src/app/a.cc
expect_breach 'src/app/a.cc includes <zlib.h>, which belongs to: codec'
fresh_tree && echo '#include <boost/asio.hpp>' >>src/base/b.h
expect_breach 'which belongs to: nobody'
fresh_tree && echo '  thread_ = std::thread([this] { Run(); });' >>src/codec/c.cc
expect_breach 'threads start by StartThread()'
fresh_tree && echo 'std::thread waker([] {});' >>src/codec/c.cc
expect_breach 'threads start by StartThread()'
fresh_tree && echo 'Owner::Owner() : fd_(::eventfd(0, EFD_CLOEXEC)) {}' >>src/base/b.h
expect_breach 'eventfds by MakeEventFd()'
fresh_tree && sed -i 1d src/codec/c.cc
expect_breach 'src/codec/c.cc has 0 SPDX lines'
fresh_tree && echo "$spdx" >>src/codec/c.cc
expect_breach 'src/codec/c.cc has 2 SPDX lines'
fresh_tree && echo 'if true; then' >>tool
expect_breach 'tool is not valid bash'
fresh_tree && seq 400 | sed 's|^|// |' >>src/codec/c.cc
expect_breach 'over 400'
fresh_tree && mv tests/codec/c_test.cc tests/codec/other_test.cc
expect_breach 'there is no src/codec/other'
fresh_tree && echo '// Twin of src/codec/gone.cc.' >>tests/codec/c_test.cc
expect_breach 'twin of src/codec/gone.cc, which is not there'
fresh_tree && : >tests/codec/CMakeLists.txt
expect_breach 'tests/codec/c_test.cc is not named in tests/codec/CMakeLists.txt'
fresh_tree && echo 'std::this_thread::sleep_for(1s);' >>tests/codec/c_test.cc
expect_breach 'tests wait for events and do not sleep'

((failures == 0)) && echo "every planted breach was found"
exit $((failures > 0))
