#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Endless UDP packets, in bursts four times a second whose size goes up and down.

Usage: page_traffic.py PACKETS-A-BURST         as a capture to standard output
       page_traffic.py PACKETS-A-BURST PORT    on loopback to a port of 127.0.0.1
"""
import math
import os
import socket
import struct
import sys
import time


def packet(number):
    payload = (b"packet %010d " % number) * 20
    udp = struct.pack(">HHHH", 40000 + number % 64, 9, 8 + len(payload), 0) + payload
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number & 0xFFFF, 0, 64, 17, 0,
                         bytes([198, 51, 100, 2]), bytes([192, 0, 2, 2]))
    return header + udp


class Capture:
    def __init__(self):
        self.out = sys.stdout.buffer
        self.out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101))
        self.sent = 0

    def burst(self, wanted):
        now = time.time()
        for _ in range(wanted):
            data = packet(self.sent)
            record = struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(data), len(data))
            self.out.write(record + data)
            self.sent += 1
        self.out.flush()


class Loopback:
    def __init__(self, port):
        self.to = ("127.0.0.1", port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def burst(self, wanted):
        for _ in range(wanted):
            # It cannot be compressed, so that squashing does not save the sender from shedding.
            self.socket.sendto(os.urandom(1200), self.to)


def main():
    size = int(sys.argv[1])
    out = Loopback(int(sys.argv[2])) if len(sys.argv) > 2 else Capture()
    burst = 0
    while True:
        out.burst(max(1, int(size * (1 + math.sin(burst / 6)) / 2)))
        burst += 1
        time.sleep(0.25)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)
