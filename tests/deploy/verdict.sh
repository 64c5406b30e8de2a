# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# How a test that is a script ends early; to be sourced.  CMake knows 77 as skipped.
skip() {
  printf 'SKIPPED: %s\n' "$*"
  exit 77
}

fail() {
  printf 'FAILED: %s\n' "$*"
  exit 1
}
