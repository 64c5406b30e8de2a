# SPDX-License-Identifier: MIT
"""How a test that is a script ends early.  CMake knows 77 as skipped."""

import sys


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(77)


def fail(reason):
    print(f"FAILED: {reason}")
    sys.exit(1)
