# SPDX-License-Identifier: MIT
"""Suricata behind rule_blocks_test.sh's laboratory: all groups of all nodes in one FIFO, as the
documents have it, and each session must alert once."""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import time

from rule_blocks_lab import HTTP_PORT, NODES, Way
from rules_lab import DEADLINE, HERE, SERVER, expect, run, wait_for

sys.path.insert(0, os.path.join(HERE, "containers", "ids_same"))
import suricata  # pylint: disable=wrong-import-position

DEMONSTRATION = 9000001  # the rule of docker/suricata/local.rules that these sessions match
LIMIT = 600              # seconds after which Suricata ends by itself, should nobody else end it

# Known to be right, for the session that shows how far Suricata has come.
PLAIN = """table inet plain {
    chain forward {
        type filter hook forward priority mangle;
        tcp dport 80 log group 0
        tcp sport 80 log group 0
    }
}
"""
SENTINEL = Way("a sentinel", "client", "server", "client",
               [{"to": [SERVER["4"]], "port": HTTP_PORT, "sessions": 1}], 1, False)


def unusable():
    """Why the Suricata on PATH will not do, or nothing."""
    if not shutil.which("suricata"):
        return "suricata is not installed"
    said = subprocess.run(["suricata", "-V"], capture_output=True, text=True, check=False,
                          timeout=DEADLINE).stdout
    found = re.search(r"version (\d+)", said)
    return "" if found and found[1] == "7" else f"not Suricata 7: {said.strip()}"


class Alerts:
    """Suricata on the FIFO of a receiver that all senders send to."""

    def __init__(self, lab, image):
        self.lab, self.number = lab, 0
        self.place = os.path.join(lab.work, "ids")
        os.mkdir(self.place)
        shutil.copy(os.path.join(HERE, "containers", "ids_same", "suricata.yaml"), self.place)
        shutil.copy(os.path.join(lab.root, "docker", "suricata", "local.rules"),
                    os.path.join(self.place, "same.rules"))
        # What the kernel's groups have had so far was for others.
        for host in ("gateway", *NODES):
            lab.stop_senders(host)
        fifo, endpoint = os.path.join(lab.work, "ids.pcap"), f"ipc://{lab.work}/ids.ipc"
        lab.start("recv-ids", "gateway", [lab.programs + "/pcap-zmq-recv", "--metrics", "off",
                                          endpoint, fifo])
        wait_for("the FIFO: " + lab.last_words("recv-ids"), lambda: os.path.exists(fifo))
        self.container = suricata.Container(image, lab.work) if image else None
        self.process = suricata.Suricata(self.place, LIMIT, self.container).start(fifo, self.place)
        for host in ("gateway", *NODES):
            groups = [group for name, group in lab.captures if name == host]
            lab.start_sender(host, groups, endpoint)
        self.sentinel()

    def remove(self):
        """Ends the container; all else ends with the test's namespaces."""
        if self.container:
            self.container.remove()

    def urls(self):
        """The URLs that alerted, and how often each did."""
        try:
            with open(os.path.join(self.place, "eve.json"), encoding="utf-8") as file:
                # The last line may not be whole yet.
                records = [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            records = []
        return collections.Counter(record["http"]["url"] for record in records
                                   if record.get("event_type") == "alert"
                                   and record["alert"]["signature_id"] == DEMONSTRATION)

    def log(self):
        """The end of what Suricata says."""
        with open(os.path.join(self.place, "log"), encoding="utf-8", errors="replace") as file:
            return file.read().strip()[-500:]

    def sentinel(self):
        """Waits until Suricata has seen all that was logged before."""
        self.number += 1
        path = f"/pcap-zmq-demo/sentinel/{self.number}"
        run(["nft", "-f", "-"], text=PLAIN)
        self.lab.exchange_on(SENTINEL, path)
        run(["nft", "delete", "table", "inet", "plain"])

        def seen():
            expect(self.process.poll() is None, f"Suricata has ended: {self.log()}")
            return any(url.startswith(path + "/") for url in self.urls())
        wait_for(lambda: f"an alert by a plain rule: {self.log()}", seen)

    def check(self, block, patient=True):
        """Loads a block and sends sessions; returns (what is wrong, what alerted).

        A patient check waits for alerts that are late, as one thread of the sender may be."""
        self.number += 1
        prefix, wanted = f"/pcap-zmq-demo/block{self.number}/", 0

        def alerts():
            return {url: count for url, count in self.urls().items() if url.startswith(prefix)}
        wrong = self.lab.load(block)
        try:
            for number, way in enumerate(self.lab.ways(block)) if not wrong else ():
                if not way.is_own_stream:
                    self.lab.exchange_on(way, f"{prefix}{number}")
                    wanted += way.sessions
        finally:
            self.lab.unload(block)
        if wrong:
            return wrong, ""
        end = time.monotonic() + DEADLINE
        while patient and len(alerts()) < wanted and time.monotonic() < end:
            time.sleep(0.02)
        self.sentinel()
        found = alerts()
        if sum(found.values()) > len(found):
            return f"{sum(found.values())} alerts of {len(found)} sessions", ""
        if len(found) != wanted:
            return f"{len(found)} of {wanted} sessions alert", ""
        return "", f"{wanted} of {wanted} sessions alert"
