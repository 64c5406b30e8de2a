#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sends a datagram that the IDS alerts on, and says how long after it the alert is in the file.

Usage: alert_delay.py EVE_FILE SERVER TRIES

Prints "alert after N ms" for each try, and their median.  Exits 0 when every datagram, the first one
included, had its alert; else 1.  How fast that was, a busy machine decides.
"""

import json
import os
import socket
import statistics
import sys
import time

SIGNATURE = 9000003
PATIENCE = 60.0


def alerts_of(file, port):
    """The alerts on our datagram among the lines that are new in the file."""
    for line in file:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if (record.get("event_type") == "alert" and record.get("src_port") == port
                and record["alert"]["signature_id"] == SIGNATURE):
            yield record


def measure(eve, server):
    """The seconds from the datagram to its alert, or None when there was none."""
    with open(eve, encoding="utf-8", errors="replace") as file, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        file.seek(0, os.SEEK_END)
        sender.bind(("", 0))
        port = sender.getsockname()[1]
        sent = time.monotonic()
        sender.sendto(b"pcap-zmq-demo", (server, 9))
        while time.monotonic() - sent < PATIENCE:
            if any(True for _ in alerts_of(file, port)):
                return time.monotonic() - sent
            time.sleep(0.002)
    return None


def main():
    eve, server, tries = sys.argv[1], sys.argv[2], int(sys.argv[3])
    delays = []
    for number in range(1, tries + 1):
        delay = measure(eve, server)
        if delay is None:
            print(f"datagram {number} has no alert in {PATIENCE:.0f} s")
            return 1
        print(f"alert after {delay * 1000:.0f} ms")
        delays.append(delay)
    print(f"median {statistics.median(delays) * 1000:.0f} ms")
    return 0


sys.exit(main())
