#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what each step of the hot path executes, in instructions a packet, under callgrind.

instruction_counts.py check PROGRAM    compares with what was recorded
instruction_counts.py record PROGRAM   makes what it counts this toolchain's baseline

Instructions in user space are counted, so neither the machine's load nor its clock moves them; the
compiler, the libraries and what valgrind knows of the processor do.  So there are two comparisons.

The close one is with the baseline of the same toolchain: 5 % more is a failure.  It can be made only
where there is such a baseline.  Where there is none, the output says so in a line that ./check lists.

The wide one is made everywhere.  The program also counts reference work that no change of ours can
make dearer: a plain loop compiled by the same compiler, the C library's copies, the compression
libraries alone.  A step is divided by the reference that is most like it, which takes out most of
what a toolchain does to both; the rest is less than 20 % between GCC and Clang.  So 40 % more than in
the dearest baseline is a failure on any toolchain: work done twice is found, a few more instructions
are not.
"""
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

CLOSE = 0.05
WIDE = 0.40
BASELINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instruction_baseline.json")
# Each step, and the reference that is most like it.
STEPS = {
    "parse": "reference_code", "shed": "reference_code", "encode": "reference_copy",
    "squash_zlib": "reference_deflate", "squash_zstd": "reference_zstd_pack",
    "decode": "reference_code", "unpack_zlib": "reference_inflate",
    "unpack_zstd": "reference_zstd_unpack", "spread": "reference_code", "write": "reference_code",
    "write_small": "reference_code",
}
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
    if sorted(said_by(program).split()) != sorted(STEPS):
        sys.exit(f"STEPS are not those of {program}")
    with tempfile.TemporaryDirectory(prefix="hot-path.") as directory:
        return {work: round(count(program, work, directory), 1)
                for work in [*STEPS, *sorted(set(STEPS.values()))]}


def load():
    with open(BASELINE, encoding="utf-8") as table:
        return json.load(table)


def weight(counts, step):
    return counts[step] / counts[STEPS[step]]


def check_widely(counted, baselines):
    """Steps that are too dear on whatever toolchain."""
    dearer = []
    for step, reference in STEPS.items():
        ratio = weight(counted, step) / max(weight(known, step) for known in baselines)
        print(f"{step}: {weight(counted, step):.3f} of {reference}, {ratio:.3f} of what is known")
        if ratio > 1 + WIDE:
            dearer.append(f"{step} by {ratio - 1:.0%} for {reference} (at most {WIDE:.0%})")
    return dearer


def check_closely(counted, known):
    """Steps that are dearer than this toolchain made them before."""
    dearer, cheaper = [], []
    for step in STEPS:
        ratio = counted[step] / known[step]
        print(f"{step}: {counted[step]:,.1f} instructions a packet, {ratio:.3f} of the baseline")
        if ratio > 1 + CLOSE:
            dearer.append(f"{step} by {ratio - 1:.0%} (at most {CLOSE:.0%})")
        elif ratio < 1 - CLOSE:
            cheaper.append(step)
    if cheaper:
        print(f"cheaper than the baseline: {', '.join(cheaper)}; record it, so that it stays so")
    return dearer


def check(program):
    baselines = load()
    counted = count_all(program)
    dearer = check_widely(counted, baselines.values())
    if known := baselines.get(fingerprint(program)):
        dearer += check_closely(counted, known)
    else:
        print(f"SKIPPED: the close comparison, as no baseline is of this toolchain "
              f"({fingerprint(program)}); a sound tree's is made by "
              f"tests/hot_path/instruction_counts.py record {program}")
    if dearer:
        sys.exit("dearer than the baseline: " + "; ".join(dearer))


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
