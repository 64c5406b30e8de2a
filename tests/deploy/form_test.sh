#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every source file is as clang-format writes it.
# Usage: form_test.sh ROOT.  Status 77, with the reason: the version of clang-format is not here.
set -euo pipefail
cd "$1"

# Each clang-format breaks lines in its own way; .clang-format is written for this one.
readonly clang_format_major=14
for tool in "clang-format-$clang_format_major" clang-format; do
  version=$("$tool" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p') || true
  if [[ $version == "$clang_format_major" ]]; then
    find src tests \( -name '*.cc' -o -name '*.h' \) -print0 |
      xargs -0 "$tool" --dry-run -Werror
    echo "Every source file is as $tool writes it."
    exit
  fi
done
echo "SKIPPED: clang-format $clang_format_major is not installed here"
exit 77
