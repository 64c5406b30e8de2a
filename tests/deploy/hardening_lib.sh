# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What a released program is hardened by, as far as its ELF file shows; to be sourced.
# Needs readelf and objdump (binutils).

# Prints a line for each thing that FILE lacks.
missing_hardening() {  # FILE
  local file=$1 header dynamic segments symbols
  header=$(LC_ALL=C readelf --file-header --wide "$file")
  dynamic=$(LC_ALL=C readelf --dynamic --wide "$file")
  segments=$(LC_ALL=C readelf --segments --wide "$file")
  symbols=$(LC_ALL=C readelf --dyn-syms --wide "$file")
  grep -qE 'Type: +DYN' <<<"$header" && grep -qE 'FLAGS_1.*\bPIE\b' <<<"$dynamic" ||
    echo "$file is not position-independent (-fPIE -pie)"
  grep -q GNU_RELRO <<<"$segments" || echo "$file has no RELRO (-z relro)"
  grep -qE 'BIND_NOW|FLAGS_1.*\bNOW\b' <<<"$dynamic" || echo "$file binds lazily (-z now)"
  ! grep -E 'GNU_STACK' <<<"$segments" | grep -q 'RWE' || echo "$file has an executable stack"
  grep -q __stack_chk_fail <<<"$symbols" || echo "$file has no -fstack-protector-strong"
  grep -qE '__[a-z]+_chk\b' <<<"${symbols//__stack_chk_fail/}" || echo "$file has no _FORTIFY_SOURCE"
  grep -q __glibcxx_assert_fail <<<"$symbols" || echo "$file has no _GLIBCXX_ASSERTIONS"
  # Each function that a pointer may lead to begins with this instruction; without the flag only the
  # C library's few start files have any.
  if grep -qE 'Machine: .*X86-64' <<<"$header" &&
    (($(objdump --disassemble --no-show-raw-insn "$file" | grep -c endbr64) < 100)); then
    echo "$file has no -fcf-protection"
  fi
}
