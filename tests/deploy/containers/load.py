#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A steady load, or the wait for alerts to flow again under it.

Usage: load.py send SERVER PACKETS_PER_SECOND      until it is ended
       load.py once SERVER                         one datagram that the IDS alerts on
       load.py resume EVE_FILE SERVER SINCE

`resume` sends datagrams that the IDS alerts on until one of them has its alert, prints the seconds
since SINCE (of the epoch) and exits 0 if there was one.
"""

import json
import os
import socket
import sys
import time

BURST_SECONDS = 0.02
PROBE_SECONDS = 0.1
PATIENCE = 120.0


def send(server, rate):
    """Sends evenly, in bursts that a timer can keep up with."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        payload = bytes(200)
        started = time.monotonic()
        sent = 0
        while True:
            due = int((time.monotonic() - started) * rate)
            while sent < due:
                try:
                    sender.sendto(payload, (server, 9))
                except ConnectionRefusedError:
                    pass  # nobody listens there, and need not
                sent += 1
            time.sleep(BURST_SECONDS)


def alert_ports(file):
    """The source ports of the alerts among the lines that are new in the file."""
    for line in file:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if record.get("event_type") == "alert":
            yield record.get("src_port")


def probe(server):
    """A datagram that the IDS alerts on; the port that it came from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("", 0))
        sender.sendto(b"pcap-zmq-demo", (server, 9))
        return sender.getsockname()[1]


def resume(eve, server, since):
    """A new port each time: a flow that the IDS missed the start of proves nothing."""
    started = time.monotonic()
    ports = set()
    with open(eve, encoding="utf-8", errors="replace") as file:
        file.seek(0, os.SEEK_END)
        while time.monotonic() - started < PATIENCE:
            ports.add(probe(server))
            probe_ends = time.monotonic() + PROBE_SECONDS
            while time.monotonic() < probe_ends:
                if any(port in ports for port in alert_ports(file)):
                    print(f"{time.time() - since:.2f}")
                    return 0
                time.sleep(0.01)
    print(f"no alert in {PATIENCE:.0f} s")
    return 1


def main():
    if sys.argv[1] == "send":
        return send(sys.argv[2], float(sys.argv[3]))
    if sys.argv[1] == "once":
        return probe(sys.argv[2]) == 0
    return resume(sys.argv[2], sys.argv[3], float(sys.argv[4]))


sys.exit(main())
