#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The dashboard, the alerts and the runbook fit one another and the programs' metrics.

Usage: grafana_test.py REPOSITORY BIN_DIR.  Exit status 77 means skipped.
"""

import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the checkout stays as it is
# pylint: disable-next=wrong-import-position
from grafana_files import METRIC, Files, Programs, fail, get, metric_kinds, skip, wait_for

# The order of a packet's way.
PANELS = [
    "Logged", "Kernel loss", "Rate against the watermarks", "State", "Squash ratio", "Buffered",
    "HWM hits", "Connections", "In transit", "Lost on the way", "FIFO: reader attached",
    "FIFO: blocked", "FIFO: reopened", "Delivery latency", "Delivery latency, quantiles",
    "Drops by reason", "The ledger's balance", "Senders",
]
ALERTS = {
    "PcapZmqKernelLoss", "PcapZmqSenderDrops", "PcapZmqHwmHits", "PcapZmqNoReceiver",
    "PcapZmqNetworkLoss", "PcapZmqSenderSilent", "PcapZmqNoReader", "PcapZmqOutputDrops",
    "PcapZmqLedgerNotClosing", "PcapZmqClockSkew",
}

faults = []


def expect(condition, fault):
    if not condition:
        faults.append(fault)


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    expect(done.returncode == 0, f"promtool {arguments[0]} {arguments[1]}: {done.stdout}"
                                 f"{done.stderr}")


def catalog(bin_dir):
    """The kinds of all metrics that the two programs print once a packet has gone through."""
    with tempfile.TemporaryDirectory() as work, Programs(work) as programs:
        endpoint = f"ipc://{work}/pipe"
        programs.start("receiver", [bin_dir / "pcap-zmq-recv", endpoint, "file:out.pcap",
                                    "--metrics", "127.0.0.1:0"])
        receiver = programs.metrics_url("receiver")
        sender = programs.start("sender", [bin_dir / "pcap-zmq-send", "-", endpoint,
                                           "--metrics", "127.0.0.1:0"], stdin=subprocess.PIPE)
        # A capture with one packet of raw IP, and no end.
        packet = bytes([0x45, 0, 0, 20]) + bytes(16)
        sender.stdin.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        sender.stdin.write(struct.pack("<IIII", 1, 0, len(packet), len(packet)) + packet)
        sender.stdin.flush()
        def arrived():
            text = get(receiver + "/metrics") or ""
            return "pcap_zmq_receiver_sender_sent_packets_total{" in text and text
        exposition = wait_for("the sender's report", 30, arrived)
        kinds = metric_kinds(exposition)
        kinds.update(metric_kinds(get(programs.metrics_url("sender") + "/metrics")))
        return kinds


def known(name, kinds):
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    return name in kinds or kinds.get(base) == "histogram"


def check_metrics(files, kinds):
    named = {"the dashboard": set(), "alerts.yml": set(METRIC.findall(files.alerts)),
             "alerts_test.yml": set(METRIC.findall((files.prometheus / "alerts_test.yml")
                                                   .read_text())),
             "the runbook": files.runbook_metrics()}
    for _, expression, _ in files.queries():
        named["the dashboard"] |= set(METRIC.findall(expression))
    for variable in files.variables().values():
        named["the dashboard"] |= set(METRIC.findall(str(variable.get("query"))))
    for place, names in named.items():
        expect(names, f"{place} names no metric at all")
        for name in sorted(names):
            expect(known(name, kinds), f"{place} names {name}, which no program has")
    # Prometheus would take every fall of a gauge for a restart.
    for name, expression, _ in files.queries():
        for metric in re.findall(r"(?:rate|increase)\(([a-z0-9_]+)", expression):
            expect(metric.endswith(("_total", "_bucket", "_count")), f"{name}: rate of {metric}")


def check_panels(files):
    titles = [p["title"] for p in files.panels()]
    expect(titles == PANELS, f"the panels are not in the order of a packet's way: {titles}")
    headings = files.headings()
    for panel in files.panels():
        title = panel["title"]
        expect(len(panel.get("description", "")) > 30, f"{title}: no description")
        expect(panel["fieldConfig"]["defaults"].get("unit"), f"{title}: no unit")
        expect(panel["datasource"]["uid"] == "${datasource}", f"{title}: not of $datasource")
        anchors = [re.fullmatch(r"\$\{runbook\}#(.*)", link["url"]) for link in panel["links"]]
        expect(anchors and all(anchors), f"{title}: no link to the runbook")
        for anchor in filter(None, anchors):
            expect(anchor[1] in headings, f"{title}: the runbook has no entry {anchor[1]}")
    boxes = [p["gridPos"] for p in files.dashboard["panels"]]
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            expect(a["x"] >= b["x"] + b["w"] or b["x"] >= a["x"] + a["w"] or
                   a["y"] >= b["y"] + b["h"] or b["y"] >= a["y"] + a["h"], f"overlap: {a} {b}")
    ids = [p["id"] for p in files.dashboard["panels"]]
    expect(len(set(ids)) == len(ids), "two panels have one id")


def check_queries(files):
    for name, expression, _ in files.queries():
        for metric, labels in re.findall(r"(pcap_zmq_[a-z0-9_]+)(\{[^}]*\})?", expression):
            side = "sender" if metric.startswith("pcap_zmq_sender_") else "receiver"
            expect(f'instance=~"${side}"' in labels, f"{name}: {metric} is not of ${side}")
        for window in re.findall(r"\[([^]]*)\]", expression):
            expect(window == "$__rate_interval", f"{name}: [{window}] is not $__rate_interval")
    variables = files.variables()
    expect(variables["datasource"]["type"] == "datasource", "$datasource is not a data source")
    for side in ("sender", "receiver"):
        expect(variables[side]["multi"] and variables[side]["includeAll"],
               f"${side} does not allow several and all")


def check_alerts(files):
    headings = files.headings()
    cases = (files.prometheus / "alerts_test.yml").read_text()
    rules = re.split(r"^ +- alert: ", files.alerts, flags=re.MULTILINE)[1:]
    expect({rule.split("\n", 1)[0] for rule in rules} == ALERTS, "alerts are missing or unknown")
    for rule in rules:
        name = rule.split("\n", 1)[0]
        for key in ("severity", "summary", "description", "runbook_url"):
            expect(re.search(rf"^ +{key}: \S", rule, re.MULTILINE), f"{name} has no {key}")
        anchor = re.search(r"runbook_url: \S+#(\S+)", rule)
        expect(anchor and headings.get(anchor[1]) == name, f"{name}: the runbook has no entry")
        outcomes = re.findall(rf"alertname: {name}\n +eval_time: \S+\n +exp_alerts:( \[\])?", cases)
        expect("" in outcomes, f"{name}: no case in which it fires")
        expect(" []" in outcomes, f"{name}: no case in which it does not fire")


def check_runbook(files):
    for entry in re.split(r"^## ", files.runbook, flags=re.MULTILINE)[1:]:
        heading = entry.split("\n", 1)[0]
        for part in ("**Means:**", "**Look at:**", "**Change:**"):
            expect(part in entry, f"runbook: {heading} has no {part}")
    for anchor in re.findall(r"\]\(#([^)]*)\)", files.runbook):
        expect(anchor in files.headings(), f"runbook: a link to #{anchor}, which is not there")
    for path in re.findall(r"\]\((\.\./[^)#]*)\)", files.runbook):
        expect((files.root / "docs" / path).is_file(), f"runbook: a link to {path}")
    titles = {p["title"] for p in files.panels()}
    plain = " ".join(files.runbook.split())
    for words in re.findall(r"[Pp]anels? ((?:\*[^*]+\*(?:, | and )?)+)", plain):
        for title in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", words):
            expect(title in titles, f"runbook: a panel *{title}*, which is not there")


def main():
    if not shutil.which("promtool"):
        skip("promtool is not installed")
    files = Files(sys.argv[1])
    promtool("check", "config", files.prometheus / "prometheus.yml")
    promtool("check", "rules", files.prometheus / "alerts.yml")
    promtool("test", "rules", files.prometheus / "alerts_test.yml")
    check_metrics(files, catalog(pathlib.Path(sys.argv[2]).resolve()))
    check_panels(files)
    check_queries(files)
    check_alerts(files)
    check_runbook(files)
    if faults:
        fail("\n  ".join([f"{len(faults)} faults"] + faults))
    print(f"{len(list(files.queries()))} queries and {len(ALERTS)} alerts fit the programs")


main()
