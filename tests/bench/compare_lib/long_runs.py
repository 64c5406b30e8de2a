# SPDX-License-Identifier: MIT
"""Runs that look for what only time shows: a loss, and memory that grows."""
import os
import signal
import time

from compare_lib.contenders import CONTENDERS, GROUP, bench, pipe
from compare_lib.lab import (Lab, Process, drop_rules, free_tcp_port, group_is_bound, wait_for)
from compare_lib.measure import PORT, SETTLE

SIZES = (64, 128, 512, 1_400)
FLAT_OUT_SECONDS = 30
ALONE_SECONDS = 60
ALONE_PPS = 100_000
BUFFER = 64 << 20
ROOM = 48 << 20
MIB = 1 << 20


def flat_out(size, seconds):
    """Everything that the load generator can send, and whether all of it arrives."""
    with Lab() as lab:
        sides = CONTENDERS["pipe"](lab, 0, size)
        load = Process([bench("load"), "--port", str(PORT), "--size", str(size), "--rate", "0",
                        "--seconds", str(int(seconds))], lab)
        load.child.wait(seconds + 60)
        sent = load.line()["sent"]
        time.sleep(2 * SETTLE)
        sides.meter.child.send_signal(signal.SIGTERM)
        arrived = sides.meter.line()["packets"]
        peak = sides.sender[0].memory()
    print(f"flat out, {size:,} B, {seconds:.0f} s: sent {sent:,} ({sent / seconds:,.0f}/s), "
          f"arrived {arrived:,}, lost {sent - arrived:,}; sender at most {peak / MIB:.0f} MiB",
          flush=True)
    return sent == arrived


def without_receiver(size, seconds):
    """Memory of a sender that nobody listens to."""
    with Lab() as lab:
        sender = Process([pipe("send"), "--metrics", "off", "--zmq-buffer-bytes",
                          f"{BUFFER // MIB}MiB", "--lwm", "0", "--hwm", "0", str(GROUP),
                          f"tcp://127.0.0.1:{free_tcp_port()}"], lab)
        wait_for("the NFLOG group", lambda: group_is_bound(GROUP))
        load = Process([bench("load"), "--port", str(PORT), "--size", str(size), "--rate",
                        str(ALONE_PPS), "--seconds", str(int(seconds))], lab)
        early = None
        end = time.monotonic() + seconds
        while time.monotonic() < end and load.child.poll() is None:
            time.sleep(1)
            if early is None and time.monotonic() > end - seconds / 2:
                early = sender.memory("VmRSS")
        late, peak = sender.memory("VmRSS"), sender.memory()
        load.line()
    limit = BUFFER + ROOM
    print(f"nobody receives, {size:,} B, {ALONE_PPS:,} pps, {seconds:.0f} s: half-way "
          f"{early / MIB:.1f} MiB, at the end {late / MIB:.1f} MiB, at most {peak / MIB:.1f} MiB; "
          f"limit {limit / MIB:.0f} MiB", flush=True)
    return peak <= limit and late <= early + MIB


def run(seconds):
    """Returns the exit status: 0 if nothing was lost and nothing grew."""
    try:
        good = [flat_out(size, seconds or FLAT_OUT_SECONDS) for size in SIZES]
        good += [without_receiver(size, seconds or ALONE_SECONDS) for size in SIZES]
    finally:
        drop_rules()
    if os.geteuid() != 0 or not all(good):
        print("as a user without root the socket's buffer is small, and a loss is to be expected"
              if os.geteuid() != 0 else "something was lost or grew")
    return 0 if all(good) else 1
