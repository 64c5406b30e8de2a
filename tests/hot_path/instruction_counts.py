#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what each step of the hot path executes, in instructions a packet, under callgrind.

instruction_counts.py check PROGRAM    compares with the baseline of this toolchain; 77: there is none
instruction_counts.py record PROGRAM   makes what it counts this toolchain's baseline

Instructions in user space are counted, so neither the machine's load nor its clock moves them; the
compiler, the libraries and what valgrind knows of the processor do, so each has a baseline.
"""
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

TOLERANCE = 0.05
BASELINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instruction_baseline.json")
STEPS = ("parse", "shed", "encode", "squash_zlib", "squash_zstd", "decode", "unpack_zlib",
         "unpack_zstd", "spread", "write", "write_small")
SKIPPED = 77


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(SKIPPED)


def said_by(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip()


def library_files(program):
    """Names of the shared libraries that do part of the counted work, versions and all."""
    names = []
    for line in said_by("ldd", program).splitlines():
        found = re.search(r"=> (/\S*/(libc|libz|libzstd|libstdc\+\+)\.so\S*)", line)
        if found:
            names.append(os.path.basename(os.path.realpath(found.group(1))))
    return sorted(names)


def fingerprint(program):
    compiler = "unknown compiler"
    for line in said_by("readelf", "-p", ".comment", program).splitlines():
        found = re.search(r"\]\s+(.+)", line)
        if found:
            compiler = found.group(1)
    libc = " ".join(platform.libc_ver())
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as table:
        flags = next((line.split(":", 1)[1].split() for line in table
                      if line.startswith(("flags", "Features"))), [])
    # The C and compression libraries choose their routines by these; valgrind knows no AVX-512.
    vector = "+".join(flag for flag in ("avx2", "bmi2") if flag in flags) or "baseline"
    return "; ".join([platform.machine(), vector, compiler, libc, *library_files(program),
                      said_by("valgrind", "--version")])


def count(program, step, directory):
    """Instructions a packet in Measured() and all that it calls."""
    out = os.path.join(directory, f"{step}.out")
    os.mkdir(os.path.join(directory, step))
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
         "--toggle-collect=*Measured*", program, step, os.path.join(directory, step)],
        capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{step}: {done.stderr.strip()}")
    with open(out, encoding="utf-8") as table:
        totals = [line for line in table if line.startswith(("summary:", "totals:"))]
    instructions = int(totals[-1].split()[1])
    packets = int(done.stdout)
    if instructions == 0:
        sys.exit(f"{step}: nothing was counted; is Measured() inlined?")
    return instructions / packets


def count_all(program):
    with tempfile.TemporaryDirectory(prefix="hot-path.") as directory:
        return {step: round(count(program, step, directory), 1) for step in STEPS}


def load():
    with open(BASELINE, encoding="utf-8") as table:
        return json.load(table)


def check(program):
    known = load().get(fingerprint(program))
    if known is None:
        skip(f"no baseline for this toolchain ({fingerprint(program)}); "
             f"tests/hot_path/instruction_counts.py record makes one")
    counted = count_all(program)
    worse, better = [], []
    for step in STEPS:
        ratio = counted[step] / known[step]
        print(f"{step}: {counted[step]:,.1f} instructions a packet, {ratio:.3f} of the baseline")
        if ratio > 1 + TOLERANCE:
            worse.append(step)
        elif ratio < 1 - TOLERANCE:
            better.append(step)
    if better:
        print(f"cheaper than the baseline: {', '.join(better)}; record it, so that it stays so")
    if worse:
        sys.exit(f"dearer than the baseline by more than {TOLERANCE:.0%}: {', '.join(worse)}")


def record(program):
    table = load() if os.path.exists(BASELINE) else {}
    table[fingerprint(program)] = count_all(program)
    with open(BASELINE, "w", encoding="utf-8") as output:
        json.dump(table, output, indent=2, sort_keys=True)
        output.write("\n")
    print(json.dumps(table[fingerprint(program)], indent=2))


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("check", "record"):
        sys.exit(__doc__.strip())
    if shutil.which("valgrind") is None:
        skip("valgrind is not installed")
    if not os.access(sys.argv[2], os.X_OK):
        sys.exit(f"{sys.argv[2]} is not a program; build the preset dev")
    {"check": check, "record": record}[sys.argv[1]](sys.argv[2])


if __name__ == "__main__":
    main()
