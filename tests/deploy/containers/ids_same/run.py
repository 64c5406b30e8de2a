#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The IDS says the same: runs Suricata on capture files directly, and on what sender, ZeroMQ,
receiver and FIFO make of them, plain and squashed, and compares alerts, flows and other records.

What differs must be explained by the cut to IP packets: the capture holds something that the pipe
does not carry, which is named, and Suricata says about the capture without it (cut by this program,
not by the sender) exactly what it says behind the pipe.

Usage: run.py --programs BIN_DIR [--own] [--captures DIR]... [--image IMAGE]
With --image, Suricata runs in a container of that image, on the engine that DOCKER_HOST names;
otherwise it is the one on PATH, of version 7.
Exit status: 0 all is the same or explained, 1 it is not, 77 skipped."""
import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # the tree may be read-only, and is nobody's cache

import own_captures
from pipe import Pipe, PipeFailure, Refused
from capture_file import Capture, Damaged
from eve_records import differences, normalised
from suricata import Container, Suricata

HERE = os.path.dirname(os.path.abspath(__file__))
Verdict = collections.namedtuple("Verdict", "kind reasons lines records sids")


class Comparison:
    """All runs over one capture after the other."""

    def __init__(self, suricata, programs, work):
        self.suricata, self.programs, self.work = suricata, programs, work
        self.number = 0
        self.lock = threading.Lock()

    def compare(self, path):
        """The verdict on one capture file."""
        with self.lock:
            self.number += 1
            place = os.path.join(self.work, str(self.number))
        os.mkdir(place)
        copy = os.path.join(place, "capture")
        shutil.copyfile(path, copy)  # where a container sees it too
        os.chmod(copy, 0o644)
        try:
            verdict = self._compare(copy, place)
        except (PipeFailure, Damaged) as failure:
            verdict = Verdict("UNEXPLAINED", set(), [str(failure)], 0, set())
        shutil.rmtree(place)
        return verdict

    def _compare(self, path, place):
        capture = Capture(path)
        reasons = capture.reasons()
        direct, status = [], 0
        if capture.packets:  # of none it says nothing, for a minute
            direct, status = self.suricata.read(path, os.path.join(place, "direct"))
        if status != 0:
            if not self._refuses_link_type(place):
                raise PipeFailure(f"Suricata itself ended with status {status}")
            reasons.add(f"Suricata does not read captures of this link type "
                        f"({capture.link_type}) itself")
        pipe = Pipe(self.programs, self.suricata, place)
        try:
            results = [pipe.run(path, len(capture.carried), squashed) for squashed in (False, True)]
        except Refused as refused:
            if capture.carried or not capture.packets and not reasons:
                raise PipeFailure(f"the sender refuses it: {refused}") from None
            results = [[]]
        if capture.packets and not reasons and not capture.carried:
            raise PipeFailure("nothing is carried, and nobody knows why")
        return self._judge(capture, reasons, direct, results, place)

    def _refuses_link_type(self, place):
        with open(os.path.join(place, "direct", "log"), encoding="utf-8") as log:
            return re.search("datalink type|link type .* not", log.read()) is not None

    def _judge(self, capture, reasons, direct, results, place):
        headers = capture.header_lengths() or [0]
        if capture.has_inner_packets():
            headers = [0] + headers
        sids = {record["alert"]["signature_id"] for record in direct if "alert" in record}
        ours = normalised(direct, capture.carried)
        piped = [normalised(result) for result in results]
        lines = [line for result in piped for line in differences(ours, result, headers)]
        cut_lines = []
        if (lines or len(set(headers)) > 1) and capture.carried:
            cut = os.path.join(place, "cut.pcap")
            capture.write_cut(cut)
            expected, _ = self.suricata.read(cut, os.path.join(place, "cut"))
            cut_lines = [line for result in piped
                         for line in differences(normalised(expected), result)]
        if cut_lines:
            return Verdict("UNEXPLAINED", reasons, ["not as our own cut:"] + cut_lines,
                           len(direct), sids)
        if not lines:
            return Verdict("same", set(), [], len(direct), sids)
        if not reasons:
            return Verdict("UNEXPLAINED", reasons, lines, len(direct), sids)
        return Verdict("explained", reasons, lines, len(direct), sids)


def expectation_broken(name, verdict):
    """What is wrong with the verdict on a capture of our own; None if nothing is."""
    kind, reasons, sids = own_captures.EXPECTED[name]
    if (verdict.kind, verdict.reasons) != (kind, reasons):
        return f"expected {kind} {sorted(reasons)}, found {verdict.kind} {sorted(verdict.reasons)}"
    missing = sids - verdict.sids
    return f"the alerts {sorted(missing)} are missing" if missing else None


def report(verdicts, show):
    """Prints the verdicts of (name, verdict, broken expectation); returns the exit status."""
    explained = collections.defaultdict(list)
    bad = 0
    for name, verdict, broken in verdicts:
        if verdict.kind == "UNEXPLAINED" or broken:
            bad += 1
            print(f"UNEXPLAINED {name}: {broken or ''}")
            for line in verdict.lines[:show]:
                print(f"    {line[:900]}")
        elif verdict.kind == "explained":
            explained["; ".join(sorted(verdict.reasons))].append(name)
    for reason, names in sorted(explained.items()):
        print(f"explained, {reason}:")
        for name in names:
            print(f"    {name}")
    kinds = collections.Counter(verdict.kind for _, verdict, _ in verdicts)
    records = sum(verdict.records for _, verdict, _ in verdicts)
    with_records = sum(verdict.records > 0 for _, verdict, _ in verdicts)
    print(f"{len(verdicts)} captures ({with_records} of them with {records} records), "
          f"{kinds['same']} the same, {kinds['explained']} with explained differences, "
          f"{bad} unexplained")
    return 1 if bad or not verdicts else 0


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Compares what Suricata says.")
    parser.add_argument("--programs", required=True, help="where pcap-zmq-send and -recv are")
    parser.add_argument("--own", action="store_true", help="captures made by this test")
    parser.add_argument("--captures", action="append", default=[], metavar="DIR")
    parser.add_argument("--only", default="", metavar="REGEX", help="captures of such names only")
    parser.add_argument("--image", help="run Suricata in a container of this image")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=int, default=60, help="seconds for each Suricata")
    parser.add_argument("--show", type=int, default=6, help="differing records shown a capture")
    return parser.parse_args()


def main():
    """Compares all captures."""
    options = arguments()
    if options.image and not os.environ.get("DOCKER_HOST"):
        print("SKIPPED: no Docker engine: DOCKER_HOST is not set")
        return 77
    if not options.image and not shutil.which("suricata"):
        print("SKIPPED: suricata is not installed")
        return 77
    for directory in options.captures:
        if not os.path.isdir(directory):
            print(f"SKIPPED: there is no {directory}")
            return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that it cleans up
    work = tempfile.mkdtemp(prefix="ids_same.")
    container = None
    try:
        for name in ("suricata.yaml", "same.rules"):
            shutil.copy(os.path.join(HERE, name), work)
        if options.image:
            container = Container(options.image, work)
        captures = []
        if options.own:
            captures += own_captures.make(os.path.join(work, "own"))
        for directory in options.captures:
            captures += [os.path.join(directory, name) for name in sorted(os.listdir(directory))
                         if name.endswith((".pcap", ".pcapng", ".cap", ".trace"))]
        captures = [path for path in captures if re.search(options.only, os.path.basename(path))]
        comparison = Comparison(Suricata(work, options.timeout, container), options.programs, work)
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            try:
                results = list(pool.map(comparison.compare, captures))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        verdicts = []
        for path, verdict in zip(captures, results):
            name = os.path.basename(path)
            is_own = os.path.dirname(path) == os.path.join(work, "own")
            verdicts.append((name, verdict, expectation_broken(name, verdict) if is_own else None))
        status = report(verdicts, options.show)
        print(f"{time.monotonic() - begin:.0f} s")
        return status
    finally:
        if container:
            container.remove()
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
