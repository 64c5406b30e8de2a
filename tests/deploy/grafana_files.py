# SPDX-License-Identifier: MIT
"""What the tests read from grafana/ and docs/runbook.md, and real programs to compare it with."""

import json
import pathlib
import re
import subprocess
import time
import urllib.error
import urllib.request

from verdict import fail, skip  # pylint: disable=unused-import

METRIC = re.compile(r"\bpcap_zmq_[a-z0-9_]+|\bprocess_[a-z_]+")


class Files:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.prometheus = self.root / "grafana/prometheus"
        self.dashboard_file = self.root / "grafana/dashboards/pcap-zmq-pipe.json"
        self.dashboard = json.loads(self.dashboard_file.read_text())
        self.alerts = (self.prometheus / "alerts.yml").read_text()
        self.case_files = sorted(self.prometheus.glob("*_test.yml"))
        self.cases = "".join(path.read_text() for path in self.case_files)
        self.runbook = (self.root / "docs/runbook.md").read_text()

    def panels(self):
        return [p for p in self.dashboard["panels"] if p["type"] != "row"]

    def queries(self):
        """(name, expression, whether it is asked for one moment) of each query of the dashboard."""
        for panel in self.panels():
            for target in panel["targets"]:
                name = f"{panel['title']} {target['refId']}"
                yield name, target["expr"], target.get("instant", False)

    def variables(self):
        return {v["name"]: v for v in self.dashboard["templating"]["list"]}

    def headings(self):
        """Headings of the runbook by their anchors, as forges write them."""
        found = re.findall(r"^## (.+)$", self.runbook, re.MULTILINE)
        return {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-"): h for h in found}

    def runbook_dashboard(self):
        file = self.root / "grafana/dashboards/pcap-zmq-runbook.json"
        return json.loads(file.read_text())

    def runbook_entry(self, url):
        """The title of the entry that a link leads to, or None."""
        book = self.runbook_dashboard()
        found = re.fullmatch(rf"/d/{book['uid']}\?viewPanel=panel-(\d+)", url)
        titles = {panel["id"]: panel["title"] for panel in book["panels"]}
        return titles.get(int(found[1])) if found else None

    def runbook_metrics(self):
        """Metrics that the runbook names; one that ends on _ or * stands for a family."""
        return set(METRIC.findall(self.runbook))


def get(url, timeout=5):
    """The body of an HTTP answer, or None while there is none."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, OSError):
        return None


def wait_for(what, seconds, probe):
    """What `probe` returns once that is true."""
    deadline = time.monotonic() + seconds
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            fail(f"gave up waiting for {what} after {seconds} s")
        time.sleep(0.05)


class Programs:
    """Processes of a test and their logs; all end with it."""

    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in list(self.running)[::-1]:
            self.stop(name, kill=True)

    def start(self, name, command, **keywords):
        keywords.setdefault("stdin", subprocess.DEVNULL)
        with open(self.work / f"{name}.log", "ab") as log:
            keywords.setdefault("stdout", log)
            self.running[name] = subprocess.Popen(
                [str(c) for c in command], stderr=log, cwd=self.work, **keywords)
        return self.running[name]

    def stop(self, name, kill=False):
        process = self.running.pop(name)
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            return process.wait(180)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            fail(f"the {name} does not end on SIGTERM: {self.log(name)}")

    def log(self, name):
        return (self.work / f"{name}.log").read_text(errors="replace")

    def metrics_url(self, name, seconds=180):
        """Where a program serves its metrics, as its log tells it."""
        def probe():
            if self.running[name].poll() is not None:
                fail(f"the {name} ended: {self.log(name)}")
            return re.findall(r"metrics on ([0-9.]+:\d+)", self.log(name))
        return "http://" + wait_for(f"the {name}'s metrics port", seconds, probe)[-1]


def metric_kinds(exposition):
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE))


def metrics_with_label(label, exposition):
    return set(re.findall(rf'^(\w+)\{{(?:[^}}]*,)?{label}="', exposition, re.MULTILINE))
