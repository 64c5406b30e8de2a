# SPDX-License-Identifier: MIT
"""One run: a contender under a load, and what a window of it cost."""
import json
import signal
import time

from compare_lib.contenders import CONTENDERS, bench
from compare_lib.lab import BenchError, Lab, Process

# The threshold that follows the rate has found it by then.
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


def measure(name, size, rate, window):
    """Runs contender `name` with packets of `size` bytes at `rate` a second (0: flat out)."""
    with Lab() as lab:
        sides = CONTENDERS[name](lab, rate, size)
        load = Process([bench("load"), "--port", str(PORT), "--size", str(size), "--rate",
                        str(rate), "--seconds", str(int(WARM_UP + window + 2))], lab)
        time.sleep(WARM_UP)
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
        return _figures(sides, sent, before, counted, (sender, receiver, seconds))


def _figures(sides, sent, before, counted, cost):
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
    delivered = before["packets"] + counted["packets"] + _rest(sides)
    run.loss = max(0, sent["sent"] - delivered) / max(sent["sent"], 1)
    return run
