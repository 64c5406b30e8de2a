#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The dashboard, the alerts and the runbook fit one another and the programs' metrics.

Usage: grafana_test.py REPOSITORY BIN_DIR.  Exit status 77 means skipped.
"""

import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the checkout stays as it is
sys.path.append(str(pathlib.Path(__file__).parent / "containers"))
# pylint: disable=wrong-import-position
from grafana_files import (METRIC, Files, Programs, fail, get, metric_kinds, metrics_with_label,
                           skip, wait_for)
from queries_table import questions_of_the_table

# The order of a packet's way.
PANELS = [
    "Logged", "Kernel loss", "Rate against the watermarks", "State", "Squash ratio", "Buffered",
    "HWM hits", "Connections", "In transit", "Lost on the way", "FIFO: reader attached",
    "FIFO: blocked", "FIFO: reopened", "Delivery latency", "Delivery latency, quantiles",
    "Drops by reason", "The ledger's balance", "Senders",
]
ALERTS = {
    "PcapZmqKernelLoss", "PcapZmqSenderDrops", "PcapZmqHwmHits", "PcapZmqNoReceiver",
    "PcapZmqRefusedConnections", "PcapZmqNetworkLoss", "PcapZmqSenderSilent", "PcapZmqNoReader", "PcapZmqOutputDrops",
    "PcapZmqLedgerNotClosing", "PcapZmqClockSkew", "PcapZmqTargetDown", "PcapZmqNothingCaptured",
    "PcapZmqEndpointDown", "PcapZmqSenderClock",
}
# What a runbook's entry of another name than the panel's says about it.
ENTRIES = {
    "Logged": "Packets logged", "Kernel loss": "PcapZmqKernelLoss",
    "Rate against the watermarks": "Rate and state", "State": "Rate and state",
    "HWM hits": "PcapZmqHwmHits", "Connections": "PcapZmqNoReceiver",
    "Lost on the way": "PcapZmqNetworkLoss", "FIFO: reader attached": "PcapZmqNoReader",
    "FIFO: blocked": "FIFO blocked", "FIFO: reopened": "FIFO reopened",
    "Delivery latency, quantiles": "Delivery latency", "Drops by reason": "PcapZmqSenderDrops",
    "The ledger's balance": "PcapZmqLedgerNotClosing", "Senders": "PcapZmqSenderSilent",
}
GRAFANA = "http://localhost:3000"  # in the alerts' links, as the compose file publishes it
# An output takes what comes from all senders: its balance is not of one of them.
OF_ALL_SENDERS = {"The ledger's balance C", "The ledger's balance D"}
# What a sender reports of itself is told to each of its receivers: summed over them it is too much.
REPORTED = re.compile(r"pcap_zmq_receiver_sender_\w+")

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
    """The kinds of all metrics that the two programs print once a packet has gone through, and
    those that count by sender."""
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
        exposition = wait_for("the sender's report", 180, arrived)
        kinds = metric_kinds(exposition)
        kinds.update(metric_kinds(get(programs.metrics_url("sender") + "/metrics")))
        return kinds, metrics_with_label("sender", exposition)


def known(name, kinds):
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    return name in kinds or kinds.get(base) == "histogram"


def check_metrics(files, kinds):
    named = {"the dashboard": set(), "alerts.yml": set(METRIC.findall(files.alerts)),
             "the alerts' cases": set(METRIC.findall(files.cases)),
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
    for panel in files.panels():
        title = panel["title"]
        expect(len(panel.get("description", "")) > 30, f"{title}: no description")
        expect(panel["fieldConfig"]["defaults"].get("unit"), f"{title}: no unit")
        expect(panel["datasource"]["uid"] == "${datasource}", f"{title}: not of $datasource")
        entries = [files.runbook_entry(link["url"]) for link in panel["links"]]
        wanted = ENTRIES.get(title, title)
        expect(entries == [wanted], f"{title}: links to {entries} of the runbook, not {wanted}")
    boxes = [p["gridPos"] for p in files.dashboard["panels"]]
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            expect(a["x"] >= b["x"] + b["w"] or b["x"] >= a["x"] + a["w"] or
                   a["y"] >= b["y"] + b["h"] or b["y"] >= a["y"] + a["h"], f"overlap: {a} {b}")
    ids = [p["id"] for p in files.dashboard["panels"]]
    expect(len(set(ids)) == len(ids), "two panels have one id")


def grouped_by(expression):
    """Labels of a query's answer: those of each `by` that is not inside another aggregation."""
    labels, depth, inside = set(), 0, []
    aggregation = re.compile(r"(?:sum|min|max|count|avg) by \(([^)]*)\) \(|[()]")
    at = 0
    while found := aggregation.search(expression, at):
        at = found.end()
        if found[0] == ")":
            depth -= 1
            if inside and inside[-1] > depth:
                inside.pop()
            continue
        depth += 1
        if found[1] is not None:
            if not inside:
                labels |= set(re.findall(r"\w+", found[1]))
            inside.append(depth)
    return labels - ({"le"} if "histogram_quantile" in expression else set())


def check_legends(files):
    expect(grouped_by("sum by (a, b) (x) / on (c) (max by (a) (min by (d) (y)))") == {"a", "b"},
           "grouped_by does not find what it should")
    for panel in files.panels():
        for target in panel["targets"]:
            name = f"{panel['title']} {target['refId']}"
            labels = grouped_by(target["expr"])
            if panel["type"] == "table":
                columns = panel["transformations"][-1]["options"]["renameByName"]
                expect(labels <= set(columns), f"{name}: no column for one of {labels}")
            else:
                shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                expect(shown == labels, f"{name}: the legend shows {shown}, it counts by {labels}")


def check_queries(files, by_sender):
    variables = files.variables()
    for name, expression, _ in files.queries():
        for metric, labels in re.findall(r"(pcap_zmq_[a-z0-9_]+)(\{[^}]*\})?", expression):
            side = "gateway" if metric.startswith("pcap_zmq_sender_") else "receiver"
            expect(f'instance=~"${side}"' in labels, f"{name}: {metric} is not of ${side}")
            expect(('sender=~"$sender"' in labels) ==
                   (metric in by_sender and name not in OF_ALL_SENDERS),
                   f"{name}: {metric} is of $sender, or should be")
        for window in re.findall(r"\[([^]]*)\]", expression):
            expect(window == "$__rate_interval", f"{name}: [{window}] is not $__rate_interval")
        for used in re.findall(r"\$(\w+)", expression):
            expect(used in variables or used == "__rate_interval", f"{name}: no variable ${used}")
    expect(variables["datasource"]["type"] == "datasource", "$datasource is not a data source")
    for side in ("gateway", "receiver", "sender"):
        expect(variables[side]["multi"] and variables[side]["includeAll"],
               f"${side} does not allow several and all")


def check_reports(files):
    queries = [(name, expression) for name, expression, _ in files.queries()]
    rules = [(name, rule) for name, rule in alerts(files) if "hop: network" in rule]
    expect(rules, "no alert of the network's ledger")
    for name, expression in queries + rules:
        for way, rest in re.findall(r"(\w+) by \([^)]*\) \(\s*(?=(.*))", expression):
            if REPORTED.match(rest):
                expect(way != "sum", f"{name}: adds up what a sender tells each of its receivers")


def alerts(files):
    """(name, text) of each rule."""
    for rule in re.split(r"^ +- alert: ", files.alerts, flags=re.MULTILINE)[1:]:
        yield rule.split("\n", 1)[0], rule


def check_alerts(files):
    headings = files.headings()
    expect({name for name, _ in alerts(files)} == ALERTS, "alerts are missing or unknown")
    for name, rule in alerts(files):
        for key in ("severity", "summary", "description", "runbook_url"):
            expect(re.search(rf"^ +{key}: \S", rule, re.MULTILINE), f"{name} has no {key}")
        url = re.search(rf"runbook_url: {GRAFANA}(\S+)", rule)
        expect(url and files.runbook_entry(url[1]) == name, f"{name}: does not link to its entry")
        expect(name in headings.values(), f"{name}: the runbook has no entry")
        outcomes = re.findall(rf"alertname: {name}\n +eval_time: \S+\n +exp_alerts:( \[\])?",
                              files.cases)
        expect("" in outcomes, f"{name}: no case in which it fires")
        expect(" []" in outcomes, f"{name}: no case in which it does not fire")


def check_answers(files):
    """What a real Prometheus must answer stands in the table of queries_test.py, for all."""
    asked = questions_of_the_table()
    names = {name for name, _, _ in files.queries()}
    expect({q for q in asked if not q.startswith("PcapZmq")} == names,
           f"queries_table.py and the dashboard differ: {names.symmetric_difference(asked)}")
    # Rules of one name are told apart by a word behind it.
    expect({q.split()[0] for q in asked if q.startswith("PcapZmq")} == ALERTS,
           "queries_table.py and the alerts differ")


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


def check_runbook_dashboard(files):
    """It is what the script makes of the runbook, and has all of it."""
    made = subprocess.run([files.root / "grafana/make-runbook", "--print"], capture_output=True,
                          text=True, check=False)
    expect(made.returncode == 0, f"make-runbook: {made.stderr}")
    committed = files.root / "grafana/dashboards/pcap-zmq-runbook.json"
    expect(made.stdout == committed.read_text(),
           "the runbook's dashboard is not of this runbook: run grafana/make-runbook")
    book = files.runbook_dashboard()
    titles = [panel["title"] for panel in book["panels"]]
    expect(titles[1:] == list(files.headings().values()), f"the runbook's panels are {titles}")
    expect(len({panel["id"] for panel in book["panels"]}) == len(titles), "two panels have one id")
    for panel in book["panels"]:
        text = panel["options"]["content"]
        expect("$" not in text, f"runbook: Grafana would fill in a variable in {panel['title']}")
        for words, url in re.findall(r"\[([^]]*)\]\(([^)]*)\)", text):
            expect(files.runbook_entry(url) == words,
                   f"the runbook's dashboard: {words} links to {url}")
    targets = [link["url"] for link in files.dashboard["links"]]
    expect(targets == [f"/d/{book['uid']}"], f"the dashboard links to {targets}")
    expect([link["url"] for link in book["links"]] == [f"/d/{files.dashboard['uid']}"],
           "the runbook does not lead back")


def check_targets(files):
    """Prometheus asks where the compose file's programs answer by default."""
    asked = set(re.findall(r'"([0-9.]+:\d+)"', re.sub(r"#.*", "", (files.prometheus / "targets.yml")
                                                      .read_text())))
    compose = (files.root / "docker-compose.yml").read_text()
    expect(asked == {"127.0.0.1:9477", "127.0.0.1:9478"}, f"the targets are {asked}")
    expect("files: [targets.yml]" in (files.prometheus / "prometheus.yml").read_text(),
           "prometheus.yml does not read targets.yml")
    for address in asked:
        expect(address in compose, f"nothing of the compose file answers at {address}")


def check_versions(files):
    """The dashboard's types are of the Grafana that runs."""
    compose = (files.root / "docker-compose.yml").read_text()
    image = re.search(r"GRAFANA_IMAGE:-[^:}]+:(\d+)\.", compose)
    package = json.loads((files.root / "tests/deploy/containers/node/package.json").read_text())
    schema = package["devDependencies"]["@grafana/schema"]
    expect(image and schema.split(".")[0] == image[1],
           f"@grafana/schema is {schema}, and compose runs another: {image and image[0]}")


def main():
    if not shutil.which("promtool"):
        skip("promtool is not installed")
    files = Files(sys.argv[1])
    promtool("check", "config", files.prometheus / "prometheus.yml")
    promtool("check", "rules", files.prometheus / "alerts.yml")
    promtool("test", "rules", *files.case_files)
    kinds, by_sender = catalog(pathlib.Path(sys.argv[2]).resolve())
    check_metrics(files, kinds)
    check_panels(files)
    check_queries(files, by_sender)
    check_reports(files)
    check_legends(files)
    check_alerts(files)
    check_answers(files)
    check_runbook(files)
    check_runbook_dashboard(files)
    check_targets(files)
    check_versions(files)
    if faults:
        fail("\n  ".join([f"{len(faults)} faults"] + faults))
    print(f"{len(list(files.queries()))} queries and {len(ALERTS)} alerts fit the programs")


main()
