#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every query of the dashboard and of the alerts, asked of a real Prometheus that scrapes real
containers while they are led through calm, squash, shed, and everything that the alerts are for.

Usage: queries_test.py REPOSITORY   beside a Docker engine, in its namespace
Run by queries_test.sh.  Exit status 77 means skipped.
"""

import functools
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
# pylint: disable=wrong-import-position
from grafana_files import Files, Programs, fail, get, wait_for
from queries_pipe import NAME, Pipe, free_port
from queries_table import CANNOT_FIRE, CHECKS, PHASES, questions_of_the_table

PATIENCE_SECONDS = 180
# Time runs faster here: Prometheus scrapes every second instead of every 15, and windows shrink.
RATE_INTERVAL = "6s"
FASTER = {"scrape_interval: 15s": "scrape_interval: 1s",
          "evaluation_interval: 15s": "evaluation_interval: 1s",
          "[1m]": "[6s]", "[5m]": "[6s]", "[5m:15s]": "[6s:1s]", "[15m]": "[20s]", "[1h]": "[30s]",
          ") > 30": ") > 5", "< 360": "< 8"}
OFFSET = {"offset 10m": "offset 15s", "offset 15m": "offset 20s", "offset 1h": "offset 30s"}  # in the dashboard as well


class Prometheus:
    """A real one, with the project's own configuration but its addresses and its pace."""

    def __init__(self, programs, files, pipe):
        directory = programs.work / "prometheus"
        directory.mkdir()
        for name in ("prometheus.yml", "alerts.yml", "targets.yml"):
            text = (files.prometheus / name).read_text()
            for slow, fast in (FASTER | OFFSET).items():
                text = text.replace(slow, fast)
            text = text.replace("127.0.0.1:9477", pipe.sender_address)
            text = text.replace("127.0.0.1:9478", pipe.receiver_address)
            (directory / name).write_text(text)
        programs.start("prometheus", [
            "prometheus", f"--config.file={directory}/prometheus.yml",
            f"--storage.tsdb.path={directory}/data", "--web.listen-address=127.0.0.1:0"])
        def address():
            listening = subprocess.run(
                ["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
            return [line.split()[3] for line in listening.splitlines()
                    if f"pid={programs.running['prometheus'].pid}," in line]
        self.url = "http://" + wait_for("Prometheus to listen", 60, address)[0]
        wait_for("Prometheus", 60, lambda: get(self.url + "/-/ready"))

    def api(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        text = get(f"{self.url}/api/v1/{path}?{query}", timeout=20)
        if text is None:
            fail(f"Prometheus refuses {path} {parameters}")
        answer = json.loads(text)
        return answer["data"]

    def ask(self, expression):
        """[labels, value] of each series, at this moment."""
        return [(series["metric"], float(series["value"][1]))
                for series in self.api("query", query=expression)["result"]]

    def label_values(self, query):
        selector, label = query.removeprefix("label_values(").removesuffix(")").rsplit(",", 1)
        return self.api(f"label/{label.strip()}/values", **{"match[]": selector})

    def rules(self):
        for group in self.api("rules")["groups"]:
            for rule in group["rules"]:
                if rule.get("lastError"):
                    fail(f"Prometheus cannot evaluate {rule['name']}: {rule['lastError']}")
                # Rules of one name are told apart by a label of theirs.
                apart = [v for k, v in rule["labels"].items() if k != "severity"]
                yield " ".join([rule["name"], *apart]), rule["query"]


class Questions:
    """All queries with their variables filled in, and what the table wants of their answers."""

    def __init__(self, prometheus, files):
        self.prometheus = prometheus
        variables = files.variables()
        fill = {"$__rate_interval": RATE_INTERVAL, **OFFSET}
        for name in ("gateway", "receiver", "sender"):
            query = variables[name]["query"]["query"]
            for variable, value in fill.items():
                query = query.replace(variable, value)
            values = wait_for(f"values of ${name}", PATIENCE_SECONDS,
                              functools.partial(prometheus.label_values, query))
            fill[f"${name}"] = "|".join(values)
        if fill["$sender"] != NAME:
            fail(f"the senders are {fill['$sender']}, not {NAME}")
        fill["$sender"] = variables["sender"]["allValue"]  # more of them come
        self.expressions = {}
        for name, expression, _ in files.queries():
            for variable, value in fill.items():
                expression = expression.replace(variable, value)
            if "$" in expression:
                fail(f"{name}: a variable is left in {expression}")
            self.expressions[name] = [expression]
        for name, expression in prometheus.rules():
            self.expressions.setdefault(name, []).append(expression)
        self.check_table()

    def check_table(self):
        wanted = questions_of_the_table()
        if set(wanted) != set(self.expressions):
            fail(f"the table and the files differ: {set(wanted) ^ set(self.expressions)}")
        for question, expectations in wanted.items():
            if question in CANNOT_FIRE:
                continue
            if question.startswith("PcapZmq") and not {"fires", "quiet"} <= expectations:
                fail(f"{question} is not seen both to fire and to be quiet")
            if not expectations - {"absent", "quiet"}:
                fail(f"{question} is never seen to return anything")

    def unmet(self, table):
        """Those expectations that do not hold now, with the answers."""
        faults = []
        for question, expectation in table.items():
            name, _, picked = question.rstrip("]").partition(" [")
            answer = [series for expression in self.expressions[name]
                      for series in self.prometheus.ask(expression)]
            if picked:
                answer = [(labels, value) for labels, value in answer if picked in labels.values()]
            values = [value for _, value in answer if not math.isnan(value)]
            if expectation in ("absent", "quiet"):
                met = not answer
            else:
                met = bool(values) and CHECKS[expectation](values)
            if not met:
                faults.append(f"{question}: wanted {expectation}, got {answer}")
        return faults


class Course:
    """What is done in each phase; the name of a phase is that of its method."""

    def __init__(self, pipe):
        self.pipe = pipe

    def calm(self):
        self.pipe.start_traffic(100, 100, "zeros")

    def squash(self):
        self.pipe.stop_traffic()
        self.pipe.start_traffic(1000, 500, "zeros")

    def shed(self):
        self.pipe.stop_traffic()
        self.pipe.start_traffic(3000, 1000, "random")

    def settled(self):
        self.pipe.stop_traffic()

    def held(self):
        self.pipe.start_traffic(3000, 1000, "random")
        return functools.partial(self.pipe.hold_sender, 1.5)

    def no_reader(self):
        self.pipe.stop_traffic()
        self.pipe.stop_reader()
        self.pipe.start_traffic(100, 100, "zeros")

    def another_reader(self):
        self.pipe.start_reader()

    def no_receiver(self):
        self.pipe.kill_receiver()

    def another_receiver(self):
        # The reader first: what the new receiver has not seen makes a rate for a few seconds only, and
        # an engine on a busy machine takes those for one more container.
        self.pipe.start_reader(wait=False)
        self.pipe.start_receiver()

    def settled_again(self):
        self.pipe.stop_traffic()

    def sender_gone(self):
        self.pipe.stop_sender()

    def sender_back(self):
        self.pipe.start_sender()

    def forgotten(self):
        pass

    def bad_peer(self):
        self.pipe.start_bad_peer()

    def stranger(self):
        self.pipe.programs.stop("bad peer", kill=True)
        self.pipe.start_stranger()

    def full_disk(self):
        self.pipe.programs.stop("stranger", kill=True)
        self.pipe.kill_receiver()
        self.pipe.start_receiver("64k", "file:/disk/all.pcap")
        self.pipe.start_reader()
        self.pipe.start_traffic(1000, 500, "zeros")

    def clock_behind(self):
        self.pipe.stop_traffic()
        self.pipe.start_replay(-20)

    def clock_ahead(self):
        self.pipe.stop_replay()
        self.pipe.start_replay(20)

    def shared_outputs(self):
        self.pipe.stop_replay()
        self.pipe.kill_receiver()
        self.pipe.start_receiver("64m", "file:/disk/half.pcap", "--output-mode", "spread")
        self.pipe.start_reader()
        self.pipe.start_traffic(100, 100, "zeros")

    def settled_shared(self):
        self.pipe.stop_traffic()

    def endpoint_down(self):
        self.pipe.stop_sender()
        self.pipe.start_sender(f"tcp://127.0.0.1:{free_port()}", "--failover")


def lead(course, questions):
    for phase, table in PHASES:
        begin = time.monotonic()
        meanwhile = getattr(course, phase.replace(" ", "_"))() or (lambda: time.sleep(0.5))
        while faults := questions.unmet(table):
            if time.monotonic() - begin > PATIENCE_SECONDS:
                logs = "".join(f"\n{name}: {course.pipe.programs.log(name)[-800:]}"
                               for name in course.pipe.programs.running)
                fail(f"{phase}:\n  " + "\n  ".join(faults) + logs)
            meanwhile()
        print(f"{phase}: {len(table)} answers as expected after "
              f"{time.monotonic() - begin:.1f} s", flush=True)


def main():
    files = Files(sys.argv[1])
    with tempfile.TemporaryDirectory() as work, Programs(work) as programs:
        pipe = Pipe(programs)
        try:
            pipe.add_rule()
            pipe.start_receiver()
            pipe.start_reader()
            pipe.start_sender()
            questions = Questions(Prometheus(programs, files, pipe), files)
            lead(Course(pipe), questions)
        finally:
            pipe.remove()


main()
