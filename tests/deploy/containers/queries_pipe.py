# SPDX-License-Identifier: MIT
"""A real pipe of containers for queries_test.py, traffic, and bad peers."""

import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from grafana_files import Programs, fail, get, wait_for  # pylint: disable=wrong-import-position

FIFO_NAME = "ids.pcap"
NAME = "gw1"  # of the sender, as the receiver calls it
# Small limits, so that little traffic goes through all states.
SENDER_OPTIONS = [
    "--lwm", "0.1MiB/s", "--hwm", "1MiB/s", "--rate-window", "300ms", "--zmq-buffer", "20",
    "--nflog-buffer", "1MiB", "--nflog-flush", "10ms", "--name", NAME]


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bound_groups():
    lines = pathlib.Path("/proc/net/netfilter/nfnetlink_log").read_text().splitlines()
    return {int(line.split()[0]) for line in lines}


class Pipe:
    """The images, run as the compose file runs them, and the rule that logs."""

    def __init__(self, programs):
        self.programs = programs
        self.stream_port = free_port()
        self.sender_address = f"127.0.0.1:{free_port()}"
        self.receiver_address = f"127.0.0.1:{free_port()}"
        self.discard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # where packets end, unread
        self.discard.bind(("127.0.0.1", 0))
        self.group = next(g for g in range(100 + os.getpid() % 1000, 9999)
                          if g not in bound_groups())
        self.table = f"queries_test_{os.getpid()}"
        self.name = f"queries-test-{os.getpid()}"
        self.docker("volume", "create", self.name)

    @property
    def endpoint(self):
        return f"tcp://127.0.0.1:{self.stream_port}"

    def add_rule(self):
        port = self.discard.getsockname()[1]
        subprocess.run(["nft", "-f", "-"], check=True, text=True, input=f"""
            table inet {self.table} {{
              chain input {{
                type filter hook input priority 0; policy accept;
                iifname lo udp dport {port} log group {self.group} snaplen 65535
              }}
            }}
            """)

    def remove_rule(self):
        subprocess.run(["nft", "delete", "table", "inet", self.table], check=False)

    def start_traffic(self, packets_per_second, size, filling):
        self.programs.start("traffic", [
            sys.executable, __file__, "traffic", self.discard.getsockname()[1],
            packets_per_second, size, filling])

    def stop_traffic(self):
        self.programs.stop("traffic", kill=True)

    def start_bad_peer(self):
        self.programs.start("bad peer", [sys.executable, __file__, "bad-peer", self.stream_port])

    def start_stranger(self):
        self.programs.start("stranger", [sys.executable, __file__, "stranger", self.stream_port])

    def start_replay(self, shift_seconds):
        """A second sender whose packets are stamped that far from now."""
        source = self.programs.start("replayed capture", [
            sys.executable, __file__, "replay", shift_seconds], stdout=subprocess.PIPE)
        self.programs.start("replay", self.replay_command(f"clock{shift_seconds}"),
                            stdin=source.stdout)
        source.stdout.close()

    def stop_replay(self):
        self.programs.stop("replayed capture", kill=True)  # its sender ends with its input
        self.programs.running.pop("replay").wait(60)

    def wait_until_ready(self):
        wait_for("the sender to be ready", 60, lambda: get(f"http://{self.sender_address}/readyz"))

    def wait_for_reader(self, count):
        """Until the receiver is ready and says that its FIFO has `count` readers."""
        url = f"http://{self.receiver_address}/metrics"
        def probe():
            lines = (get(url) or "").splitlines()
            return any(line.startswith("pcap_zmq_receiver_sink_reader_attached{") and
                       FIFO_NAME in line and line.endswith(f" {count}") for line in lines)
        wait_for(f"{count} readers", 60, probe)

    @staticmethod
    def docker(*arguments):
        done = subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            fail(f"docker {' '.join(map(str, arguments))}: {done.stderr}")
        return done.stdout

    def start_receiver(self, disk_size=None, *arguments):
        """The one that was killed, or, with a /disk of that size, another with more arguments."""
        if disk_size:
            self.discard_container("receiver")
        elif f"{self.name}-receiver" in self.containers():
            self.docker("start", f"{self.name}-receiver")
            return
        disk = ["--tmpfs", f"/disk:size={disk_size},mode=1777"] if disk_size else []
        self.docker("run", "-d", "--name", f"{self.name}-receiver", "--read-only",
                    "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
                    "-v", f"{self.name}:/run/pcap-zmq", *disk,
                    "-p", f"127.0.0.1:{self.stream_port}:1234",
                    "-p", f"{self.receiver_address}:9478",
                    os.environ.get("RECEIVER_IMAGE", "pcap-zmq-pipe/receiver"),
                    "tcp://0.0.0.0:1234", f"/run/pcap-zmq/{FIFO_NAME}", *arguments)

    def containers(self):
        return self.docker("ps", "-a", "--format", "{{.Names}}").split()

    def discard_container(self, role):
        if f"{self.name}-{role}" in self.containers():
            self.docker("rm", "-f", f"{self.name}-{role}")

    def kill_receiver(self):
        self.docker("kill", f"{self.name}-receiver")

    def start_reader(self, wait=True):
        # Whoever runs as the receiver's own user may read the FIFO.
        self.discard_container("reader")
        fifo = f"/run/pcap-zmq/{FIFO_NAME}"
        self.docker("run", "-d", "--name", f"{self.name}-reader",
                    "-v", f"{self.name}:/run/pcap-zmq:ro", "--entrypoint", "sh",
                    os.environ.get("RECEIVER_IMAGE", "pcap-zmq-pipe/receiver"), "-c",
                    f"until test -p {fifo}; do sleep 0.1; done; exec cat {fifo} >/dev/null")
        if wait:
            self.wait_for_reader(1)

    def stop_reader(self):
        self.discard_container("reader")

    def start_sender(self, *more):
        self.discard_container("sender")
        self.docker("run", "-d", "--name", f"{self.name}-sender", "--network", "host",
                    "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--read-only",
                    "--security-opt", "no-new-privileges",
                    os.environ.get("SENDER_IMAGE", "pcap-zmq-pipe/sender"),
                    self.group, self.endpoint, *more, *SENDER_OPTIONS,
                    "--metrics", self.sender_address)
        self.wait_until_ready()

    def stop_sender(self):
        self.docker("stop", "-t", 20, f"{self.name}-sender")

    def hold_sender(self, seconds):
        self.docker("kill", "--signal", "STOP", f"{self.name}-sender")
        time.sleep(seconds)
        self.docker("kill", "--signal", "CONT", f"{self.name}-sender")

    def replay_command(self, name):
        return ["docker", "run", "--rm", "-i", "--name", f"{self.name}-replay", "--network", "host",
                os.environ.get("SENDER_IMAGE", "pcap-zmq-pipe/sender"), "-", self.endpoint,
                "--metrics", "off", "--name", name]

    def remove(self):
        self.remove_rule()
        for role in ("sender", "receiver", "reader", "replay"):
            self.discard_container(role)
        self.docker("volume", "rm", self.name)


def make_traffic(port, packets_per_second, size, filling):
    """UDP packets until somebody ends us, as evenly as a sleeping program can."""
    payload = bytes(size) if filling == "zeros" else None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sent, start = 0, time.monotonic()
        while True:
            due = int((time.monotonic() - start) * packets_per_second)
            if due - sent > packets_per_second:  # held up for long: do not make up for it
                sent = due
            for _ in range(due - sent):
                sock.sendto(payload or os.urandom(size), ("127.0.0.1", port))
            sent = due
            time.sleep(0.01)


def replay(shift_seconds):
    """A capture to standard output whose packets, 100 a second, are stamped that far from now."""
    out = sys.stdout.buffer
    out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101))
    packet = bytes([0x45, 0, 0, 60]) + bytes(56)
    while True:
        stamp = time.time_ns() + shift_seconds * 10**9
        out.write(struct.pack("<IIII", stamp // 10**9, stamp % 10**9, 60, 60) + packet)
        out.flush()
        time.sleep(0.01)


def greet(peer, mechanism):
    """Begins our side of ZMTP 3.0."""
    peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00")
    peer.sendall(mechanism.ljust(20, b"\0") + bytes(32))


def be_a_stranger(port):
    """A sender that encrypts for a receiver that does not, until somebody ends us."""
    while True:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            greet(peer, b"CURVE")
            try:
                while peer.recv(64):
                    pass
            except ConnectionResetError:
                pass
        time.sleep(0.2)


def be_a_bad_peer(port):
    """A sender of which frames are missing, others damaged, and reports too high, which has captured
    nothing, dropped and lost more and more, and has a clock that is ahead, as its side of ZMTP 3.0 and of the wire format (src/codec/README.md), until somebody ends us."""
    def frame(sequence, ordinal, count, payload, control=False):
        return struct.pack("<4sBBHIIQQQII", b"PZPF", 1, 0, int(control), 101, count, 4711, sequence,
                           ordinal, len(payload), 0) + payload
    def message(data, flags=0):
        if len(data) > 255:
            return struct.pack(">BQ", flags | 2, len(data)) + data
        return struct.pack("BB", flags, len(data)) + data
    packet = struct.pack("<IIII", int(time.time()), 0, 60, 60)
    packet += bytes([0x45, 0, 0, 60]) + bytes(56)
    sequence = ordinal = 0
    while True:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            greet(peer, b"NULL")
            peer.recv(64, socket.MSG_WAITALL)  # its greeting
            peer.sendall(message(b"\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH", 4))
            for _ in range(6):  # not for long, as we leave ZeroMQ's heartbeats unanswered
                said = 20 * ordinal
                report = json.dumps({"name": "bad", "captured": 0, "sent": said,
                                     "kernel_lost": ordinal, "dropped": {"shed": ordinal},
                                     "clock": int((time.time() + 3600) * 1e6)}).encode()
                peer.sendall(message(frame(sequence, ordinal, 0, report, control=True)))
                peer.sendall(message(frame(sequence + 1, ordinal, 1, packet)))
                peer.sendall(message(b"not a frame of ours, and none of 2012 either".ljust(80)))
                sequence += 9
                ordinal += 8  # of which one arrives
                time.sleep(0.5)


if __name__ == "__main__":
    try:
        if sys.argv[1] == "traffic":
            make_traffic(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
        elif sys.argv[1] == "replay":
            replay(int(sys.argv[2]))
        elif sys.argv[1] == "bad-peer":
            be_a_bad_peer(int(sys.argv[2]))
        elif sys.argv[1] == "stranger":
            be_a_stranger(int(sys.argv[2]))
    except BrokenPipeError:
        pass
