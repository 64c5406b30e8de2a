# SPDX-License-Identifier: MIT
"""Who is compared: each puts a sending and a receiving side between NFLOG and a FIFO."""
import json
import os
import shutil
import subprocess

from compare_lib.lab import (BenchError, Process, free_tcp_port, group_is_bound, run, tcp_is,
                             wait_for)

GROUP = 5
_build = os.path.join("build", "bench")


def use_build(directory):
    """Takes all programs from a build directory."""
    global _build
    _build = os.path.abspath(directory)


def bench(name):
    return os.path.join(_build, "tests", "bench", f"bench_{name}")


def pipe(name):
    return os.path.join(_build, "src", "app", f"pcap-zmq-{name}")


def fitting_threshold(rate):
    """About a millisecond of traffic in a kernel batch."""
    return max(1, min(512, rate // 1000)) if rate else 128


class Sides:
    """The processes of a run, by what they are accounted under."""

    def __init__(self, meter=None):
        self.meter = meter
        self.sender = []
        self.receiver = []


def start_meter(lab):
    fifo = os.path.join(lab.directory, "fifo")
    os.mkfifo(fifo)
    return fifo, Process([bench("meter"), fifo], lab)


def null(lab, rate, _size):
    sides = Sides()
    reader = Process([bench("null"), "--group", str(GROUP), "--threshold",
                      str(fitting_threshold(rate))], lab)
    reader.wait_ready()
    sides.sender = [reader]
    return sides


def _bare(lab, threshold):
    fifo, meter = start_meter(lab)
    sides = Sides(meter)
    endpoint = f"tcp://127.0.0.1:{free_tcp_port()}"
    receiver = Process([bench("bare_recv"), endpoint, fifo], lab)
    receiver.wait_ready()
    sender = Process([bench("bare_send"), endpoint, "--group", str(GROUP), "--threshold",
                      str(threshold)], lab)
    sender.wait_ready()
    wait_for("the connection", lambda: tcp_is(int(endpoint.rsplit(":", 1)[1]), "01"))
    sides.sender, sides.receiver = [sender], [receiver]
    return sides


def bare(lab, rate, _size):
    return _bare(lab, fitting_threshold(rate))


def bare_at_once(lab, _rate, _size):
    return _bare(lab, 1)


def _keys(lab):
    """Makes a pair of keys for each end; their options: (the receiver's, the sender's)."""
    keys = os.path.join(lab.directory, "keys")
    authorized = os.path.join(keys, "authorized")
    os.makedirs(authorized)
    run(pipe("keygen"), keys, "receiver")
    run(pipe("keygen"), keys, "sender")
    shutil.copy(os.path.join(keys, "sender.pub"), authorized)
    return (("--curve-key", os.path.join(keys, "receiver.key"), "--authorized-keys", authorized),
            ("--curve-key", os.path.join(keys, "sender.key"),
             "--server-key", os.path.join(keys, "receiver.pub")))


def pipe_receiver(lab, encrypted):
    """Starts meter and receiver: (the sides, the receiver's port, the sender's options)."""
    fifo, meter = start_meter(lab)
    sides = Sides(meter)
    receiver_keys, sender_keys = _keys(lab) if encrypted else ((), ())
    port = free_tcp_port()
    sides.receiver = [Process([pipe("recv"), "--metrics", "off", *receiver_keys,
                               f"tcp://127.0.0.1:{port}", fifo], lab)]
    wait_for("the receiver", lambda: tcp_is(port, "0A"))
    return sides, port, sender_keys


def pipe_sender(lab, port, source, *options):
    return Process([pipe("send"), "--metrics", "off", *options, source,
                    f"tcp://127.0.0.1:{port}"], lab)


def _pipe(*options, groups=str(GROUP), encrypted=False):
    def start(lab, _rate, _size):
        sides, port, keys = pipe_receiver(lab, encrypted)
        sides.sender = [pipe_sender(lab, port, groups, *options, *keys)]
        for group in groups.split(","):
            wait_for("the NFLOG group", lambda group=group: group_is_bound(int(group)))
        wait_for("the connection", lambda: tcp_is(port, "01"))
        return sides
    return start


def tcpdump(lab, _rate, _size):
    fifo, meter = start_meter(lab)
    sides = Sides(meter)
    port = free_tcp_port()
    with open(fifo, "wb") as output:
        listener = Process(["nc", "-l", "127.0.0.1", str(port)], lab, stdout=output)
    wait_for("nc", lambda: tcp_is(port, "0A"))
    reader = Process(["tcpdump", "-Z", "root", "-n", "-i", f"nflog:{GROUP}", "-U", "-w", "-"], lab)
    carrier = Process(["nc", "-N", "127.0.0.1", str(port)], lab, stdin=reader.child.stdout,
                      stdout=subprocess.DEVNULL)
    reader.child.stdout.close()
    reader.child.stdout = None
    wait_for("tcpdump", lambda: group_is_bound(GROUP))
    wait_for("the connection", lambda: tcp_is(port, "01"))
    sides.sender, sides.receiver = [reader, carrier], [listener]
    return sides


CONTENDERS = {
    "null": null,
    "bare": bare,
    "bare-1": bare_at_once,
    "pipe": _pipe("--lwm", "0", "--hwm", "0"),
    "pipe-curve": _pipe("--lwm", "0", "--hwm", "0", encrypted=True),
    "pipe-zlib": _pipe("--lwm", "1KiB/s", "--hwm", "0", "--codec", "zlib"),
    "pipe-zstd": _pipe("--lwm", "1KiB/s", "--hwm", "0", "--codec", "zstd"),
    "tcpdump": tcpdump,
    "one-pump": _pipe("--lwm", "0", "--hwm", "0", groups="5,6"),
    "two-pumps": _pipe("--lwm", "0", "--hwm", "0", "--pump-per-group", groups="5,6"),
}

EXPLAINED = {
    "null": "NFLOG read and thrown away",
    "bare": "the bare path, with kernel batches of about 1 ms",
    "bare-1": "the bare path, each packet at once (threshold 1)",
    "pipe": "pcap-zmq-pipe as it is, passing everything",
    "pipe-curve": "pcap-zmq-pipe, passing everything, encrypted",
    "pipe-zlib": "pcap-zmq-pipe, squashing with zlib",
    "pipe-zstd": "pcap-zmq-pipe, squashing with zstd",
    "tcpdump": "tcpdump -i nflog -U -w - | nc, and nc on the other side",
    "one-pump": "pcap-zmq-pipe, two NFLOG groups in one thread",
    "two-pumps": "pcap-zmq-pipe, two NFLOG groups, --pump-per-group",
}


def missing(name):
    """Why a contender cannot run here; None if it can."""
    if name != "tcpdump":
        return None
    for tool in ("tcpdump", "nc"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


def check_built():
    for program in (bench("load"), bench("meter"), pipe("send"), pipe("recv"),
                    pipe("keygen")):
        if not os.access(program, os.X_OK):
            raise BenchError(f"{program} is missing; was that directory built with "
                             "PCAP_ZMQ_BENCHMARKS or BUILD_TESTING?")


def codec_ratios(captures=()):
    """Both codecs next to the bare libraries on the same buffers, a dictionary each."""
    done = subprocess.run([bench("codec"), *captures], capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"bench_codec: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]
