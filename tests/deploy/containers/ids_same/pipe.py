# SPDX-License-Identifier: MIT
"""The way of a capture through sender, ZeroMQ, receiver and FIFO into Suricata."""
import os
import re
import subprocess
import time
import urllib.request

from eve_records import read

PATIENCE = 180  # seconds for anything of which a working pipe needs less than one


class PipeFailure(Exception):
    """The pipe did not do what it says."""


class Refused(Exception):
    """The sender does not read this capture."""


class Pipe:
    """Runs of the two programs in a directory of their own."""

    def __init__(self, programs, suricata, place):
        self.programs, self.suricata, self.place = programs, suricata, place

    def run(self, capture, packets, squashed):
        """Suricata's records of a capture that went through the pipe, all `packets` of it."""
        place = os.path.join(self.place, "squashed" if squashed else "plain")
        os.mkdir(place)
        self.errors = os.path.join(place, "receiver.log")
        endpoint = "ipc://" + os.path.join(place, "wire")
        fifo = os.path.join(place, "fifo")
        # Suricata waits a minute for the first packet of a FIFO that has none, then fails.
        output = fifo if packets else "file:" + os.path.join(place, "nothing.pcap")
        processes = []
        try:
            receiver = self._start("pcap-zmq-recv", self.errors, "--metrics", "127.0.0.1:0",
                                   endpoint, output)
            processes.append(receiver)
            metrics = self._metrics_address(receiver)
            if packets:
                ids = self.suricata.start(fifo, place)
                processes.append(ids)
            self._send(capture, endpoint, packets, squashed, place)
            self._wait_for_delivery(metrics, packets, squashed)
            receiver.terminate()
            self._expect_end(receiver, "the receiver", 0)
            if not packets:
                return self._expect_empty(output)
            self._expect_end(ids, "Suricata", 0)
            return read(os.path.join(place, "eve.json"))
        finally:
            # The writer of the FIFO first: what reads it then ends by itself.
            for process in processes:
                if process.poll() is None:
                    process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(PATIENCE)

    def _start(self, name, log, *arguments):
        with open(log, "w", encoding="utf-8") as file:
            return subprocess.Popen([os.path.join(self.programs, name), *arguments],
                                    stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def _log(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def _metrics_address(self, receiver):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = re.search(r"metrics on (\S+:\d+)", self._log(self.errors))
            if found:
                return found.group(1)
            if receiver.poll() is not None:
                break
            time.sleep(0.01)
        raise PipeFailure("the receiver does not start: " + self._log(self.errors))

    def _send(self, capture, endpoint, packets, squashed, place):
        """Replays the capture; neither watermark may cost a packet."""
        log = os.path.join(place, "sender.log")
        sender = self._start("pcap-zmq-send", log, "file:" + capture, endpoint,
                             "--replay-speed", "max", "--metrics", "off", "--name", "test",
                             "--hwm", "0", "--lwm", "0.000001" if squashed else "0")
        try:
            status = sender.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            sender.kill()
            sender.wait()
            raise PipeFailure("the sender does not end: " + self._log(log)) from None
        said = self._log(log)
        if status == 2:
            raise Refused(said.strip())
        if status != 0:
            raise PipeFailure(f"the sender ends with status {status}: {said}")
        sent = re.search(r"captured \d+ packets, sent (\d+), ", said)
        if sent is None or int(sent.group(1)) != packets:
            raise PipeFailure(f"the sender should have sent {packets} packets: {said}")

    def _wait_for_delivery(self, address, packets, squashed):
        """Until the receiver has written all packets, and has heard how the sender sent them."""
        state = f'state="{"squash" if squashed else "pass"}"}} 1'
        deadline = time.monotonic() + PATIENCE
        while True:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as answer:
                metrics = answer.read().decode()
            written = re.search(r"^pcap_zmq_receiver_sink_packets_total\{.*\} (\d+)$", metrics,
                                re.MULTILINE)
            if int(written.group(1)) >= packets and (state in metrics or not packets):
                return
            if time.monotonic() > deadline:
                raise PipeFailure(f"of {packets} packets {written.group(1)} are written; the "
                                  f"sender's state is not {state}: {self._log(self.errors)}")
            time.sleep(0.01)

    def _expect_end(self, process, name, status):
        try:
            found = process.wait(self.suricata.timeout + 10)
        except subprocess.TimeoutExpired:
            raise PipeFailure(f"{name} does not end") from None
        if found != status:
            raise PipeFailure(f"{name} ends with status {found}: {self._log(self.errors)}")

    def _expect_empty(self, output):
        size = os.path.getsize(output.removeprefix("file:"))
        if size != 24:
            raise PipeFailure(f"the pipe should carry nothing, and wrote {size} bytes")
        return []
