# SPDX-License-Identifier: MIT
"""What the figures were taken on: they mean nothing without it."""
import os
import platform


def _processor():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as table:
        for line in table:
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    return platform.machine()


def describe():
    return (f"{_processor()}, {len(os.sched_getaffinity(0))} cores, "
            f"Linux {platform.release()}")
