# SPDX-License-Identifier: MIT
"""What one connection carries: a capture that is replayed as fast as the receiver takes it.

Without NFLOG and a load generator, which fill a core of their own and drop what is too fast.
"""
import os
import select
import signal
import statistics
import struct
import time

from compare_lib.contenders import pipe_receiver, pipe_sender
from compare_lib.lab import BenchError, Lab, run, wait_for

SIZES = (1_400, 65_000)
ROUNDS = 5
POLL = 0.02
DEADLINE = 300
MIB = 1 << 20
LINKTYPE_RAW = 101
# bench_meter knows packets by it (load_mark.h).
LOAD_MARK = struct.pack("<QQQ", 0x31686e656271707a, 0, 0)


def write_capture(path, size, total):
    """Writes IP packets of `size` bytes, about `total` bytes of them; returns how many."""
    head = struct.pack(">BBHIBBH4s4s", 0x45, 0, size, 0, 64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    head += struct.pack(">HHHH", 4789, 4789, size - 20, 0) + LOAD_MARK
    # Random, as encrypted traffic is: nothing on the way may gain by compressing it.
    record = struct.pack("<IIII", 1, 0, size, size) + head + os.urandom(size - len(head))
    at_once = max(1, MIB // len(record))
    turns = max(1, total // (at_once * len(record)))
    with open(path, "wb") as capture:
        capture.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262_144, LINKTYPE_RAW))
        for _ in range(turns):
            capture.write(record * at_once)
    return turns * at_once


def _has_open(process, path):
    own = f"/proc/{process.child.pid}/fd"
    return any(os.path.realpath(os.path.join(own, number)) == os.path.realpath(path)
               for number in os.listdir(own))


def replay(capture, packets, encrypted):
    """Replays once; returns bytes of packets and their headers a second."""
    with Lab() as lab:
        sides, port, keys = pipe_receiver(lab, encrypted)
        meter = sides.meter.child
        # Until then a signal would end it.
        wait_for("the meter", lambda: _has_open(sides.meter, os.path.join(lab.directory, "fifo")))
        start = time.monotonic()
        sides.sender = [pipe_sender(lab, port, "file:" + capture, "--replay-speed", "max",
                                    "--lwm", "0", "--hwm", "0", *keys)]
        seen, carried = 0, 0
        while seen < packets:
            if time.monotonic() > start + DEADLINE:
                raise BenchError(f"{seen} of {packets} packets came through in {DEADLINE} s")
            time.sleep(POLL)
            meter.send_signal(signal.SIGUSR1)
            # No answer to a signal that comes just before the meter goes to sleep.
            if select.select([meter.stdout], [], [], 10 * POLL)[0]:
                counted = sides.meter.line()
                seen += counted["packets"]
                carried += counted["bytes"]
        return carried / (time.monotonic() - start)


def measure(total, rounds):
    """Prints each size in the clear and encrypted; returns the exit status."""
    run("ip", "link", "set", "lo", "up")
    with Lab() as lab:
        for size in SIZES:
            capture = os.path.join(lab.directory, f"{size}.pcap")
            packets = write_capture(capture, size, total)
            rates = {False: [], True: []}
            for _ in range(rounds or ROUNDS):
                for encrypted, found in rates.items():
                    found.append(replay(capture, packets, encrypted) / MIB)
            os.remove(capture)
            for encrypted, found in rates.items():
                print(f"one connection, {size:,} B, {'encrypted' if encrypted else 'in the clear'}: "
                      f"{statistics.median(found):,.0f} MiB/s ({min(found):,.0f} to "
                      f"{max(found):,.0f})", flush=True)
    return 0
