# SPDX-License-Identifier: MIT
"""A network namespace of one's own, and processes in it that always end."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

START_DEADLINE = 60


class BenchError(Exception):
    """Says in one line why a run could not be made."""


def enter_namespace():
    """Starts this program again in a network namespace of its own, as root or as who one is."""
    if os.environ.get("PIPE_BENCH_INSIDE") == "1":
        return
    os.environ["PIPE_BENCH_INSIDE"] = "1"
    own = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    os.execvp("unshare", own + [sys.executable] + sys.argv)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise BenchError(f"{command[0]}: {done.stderr.strip() or 'failed'}")
    return done.stdout


def log_rule(port, *verdicts):
    """Logs what arrives for UDP port `port` by the first verdict that matches.

    A verdict is nft's, such as `log group 5`.
    """
    run("ip", "link", "set", "lo", "up")
    rules = "\n".join(f"    udp dport {port} {verdict} drop" for verdict in verdicts)
    run("nft", "-f", "-", input=f"""
table inet bench {{
  chain logged {{
    type filter hook input priority 0
{rules}
  }}
}}
""")


def drop_rules():
    run("nft", "delete", "table", "inet", "bench")


def free_tcp_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, deadline=START_DEADLINE):
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"waited {deadline} s in vain for {what}")
        time.sleep(0.01)


def group_is_bound(group):
    with open("/proc/self/net/netfilter/nfnetlink_log", encoding="ascii") as table:
        return any(line.split()[:1] == [str(group)] for line in table)


def tcp_is(port, state):
    """Whether a socket of the loopback port is in the state: 0A listens, 01 is connected."""
    with open("/proc/self/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return any(row[1].endswith(f":{port:04X}") and row[3] == state for row in rows)


class Process:
    """A program under measurement."""

    def __init__(self, command, lab, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE):
        self.name = os.path.basename(command[0])
        self.said = open(os.path.join(lab.directory, f"{lab.count()}.{self.name}"), "w+",
                         encoding="utf-8")
        self.child = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=self.said)
        lab.processes.append(self)

    def cpu(self):
        """CPU time of all its threads in nanoseconds."""
        total = 0
        try:
            for task in os.listdir(f"/proc/{self.child.pid}/task"):
                with open(f"/proc/{self.child.pid}/task/{task}/schedstat",
                          encoding="ascii") as stat:
                    total += int(stat.read().split()[0])
        except OSError as error:
            raise BenchError(f"{self.name} has ended: {self.words()}") from error
        return total

    def memory(self, key="VmHWM"):
        """Bytes of memory: VmHWM is the peak, VmRSS what there is now."""
        try:
            with open(f"/proc/{self.child.pid}/status", encoding="ascii") as status:
                for line in status:
                    if line.startswith(key):
                        return int(line.split()[1]) * 1024
        except OSError:
            pass
        return 0

    def words(self):
        self.said.seek(0)
        return self.said.read().strip() or "it said nothing"

    def wait_ready(self):
        line = self.child.stdout.readline()
        if line != b"ready\n":
            raise BenchError(f"{self.name} is not ready: {self.words()}")

    def line(self):
        """The next line that it prints, as JSON."""
        text = self.child.stdout.readline()
        if not text:
            raise BenchError(f"{self.name} ended without a result: {self.words()}")
        return json.loads(text)

    def end(self, grace=10):
        """Asks it to end, and makes it; what it has printed can still be read."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(grace)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.said.close()


class Lab:
    """A run's directory and processes; all are gone when the run is over, however it ends."""

    def __init__(self):
        self.processes = []
        self._count = 0
        self._temporary = tempfile.TemporaryDirectory(prefix="pipe-bench.")
        self.directory = self._temporary.name

    def count(self):
        self._count += 1
        return self._count

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.end()
            if process.child.stdout:
                process.child.stdout.close()
        self._temporary.cleanup()
