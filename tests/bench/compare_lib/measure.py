# SPDX-License-Identifier: MIT
"""One run: a contender under a load, and what a window of it cost."""
import json
import signal
import time

from compare_lib.contenders import CONTENDERS, bench
from compare_lib.lab import BenchError, Lab, Process

# Lets a program that has just started come to rest before the load begins.
CALM = 0.2
# The start of the load, in which a contender that follows the rate has yet to find it.
START = 1.0
# It has found the rate by then.
WARM_UP = 1.5
SETTLE = 0.5
PORT = 4789


class Run:
    """The figures of one run; None where a contender has none."""

    def __init__(self):
        self.offered_pps = None
        self.delivered_pps = None
        self.delivered_bps = None
        self.loss = None
        self.start_ns = None
        self.sender_ns = None
        self.receiver_ns = None
        self.sender_core = None
        self.receiver_core = None
        self.latency_ns = None
        self.sender_rss = None
        self.receiver_rss = None


def _cpu(processes):
    return sum(process.cpu() for process in processes)


def _window(sides):
    if sides.meter is None:
        return None
    sides.meter.child.send_signal(signal.SIGUSR1)
    return sides.meter.line()


def _rest(sides):
    """Packets that come after the window, once the load has ended."""
    time.sleep(SETTLE)
    sides.meter.child.send_signal(signal.SIGTERM)
    return sum(json.loads(line)["packets"] for line in sides.meter.child.stdout)


def _start(sides, calm):
    """The first second: packets that came through, and CPU a packet of the sender since `calm`."""
    time.sleep(START)
    counted = _window(sides)
    if counted is None or counted["packets"] == 0:
        return 0, None
    return counted["packets"], (_cpu(sides.sender) - calm) / counted["packets"]


def measure(name, size, rate, window):
    """Runs contender `name` with packets of `size` bytes at `rate` a second (0: flat out)."""
    with Lab() as lab:
        sides = CONTENDERS[name](lab, rate, size)
        time.sleep(CALM)
        calm = _cpu(sides.sender)
        load = Process([bench("load"), "--port", str(PORT), "--size", str(size), "--rate",
                        str(rate), "--seconds", str(int(WARM_UP + window + 2))], lab)
        early, start_ns = _start(sides, calm)
        time.sleep(WARM_UP - START)
        before = _window(sides)
        sender, receiver = _cpu(sides.sender), _cpu(sides.receiver)
        start = time.monotonic()
        time.sleep(window)
        seconds = time.monotonic() - start
        sender = _cpu(sides.sender) - sender
        receiver = _cpu(sides.receiver) - receiver
        counted = _window(sides)
        load.child.send_signal(signal.SIGTERM)
        sent = load.line()
        early += before["packets"] if before else 0
        run = _figures(sides, sent, early, counted, (sender, receiver, seconds))
        run.start_ns = start_ns
        return run


def _figures(sides, sent, early, counted, cost):
    sender, receiver, seconds = cost
    run = Run()
    run.offered_pps = sent["sent"] / sent["seconds"]
    run.sender_core = sender / seconds / 1e7
    run.receiver_core = receiver / seconds / 1e7 if sides.receiver else None
    run.sender_rss = sum(process.memory() for process in sides.sender)
    run.receiver_rss = sum(process.memory() for process in sides.receiver) or None
    if counted is None:
        sides.sender[0].child.send_signal(signal.SIGTERM)
        read = sides.sender[0].line()
        run.loss = read["lost"] / max(sent["sent"], 1)
        run.sender_ns = sender / seconds / max(run.offered_pps * (1 - run.loss), 1)
        return run
    if counted["packets"] == 0:
        raise BenchError("not a packet came through")
    run.delivered_pps = counted["packets"] / counted["seconds"]
    run.delivered_bps = counted["bytes"] / counted["seconds"]
    run.sender_ns = sender / counted["packets"]
    run.receiver_ns = receiver / counted["packets"]
    run.latency_ns = {key: counted[f"{key}_ns"] for key in ("p50", "p99", "max")}
    delivered = early + counted["packets"] + _rest(sides)
    run.loss = max(0, sent["sent"] - delivered) / max(sent["sent"], 1)
    return run
