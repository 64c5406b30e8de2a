#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The scripts of the chart's containers do what they are for, as golden/ has them, on real programs.
Only paths and ports are put elsewhere.  Usage: scripts_test.py BIN_DIR
"""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

import chart
import golden
from chart import fail, yaml

PATIENCE = 60
# An instrumented program needs what a test's preset tells it, in any environment.
SANITIZERS = {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
DEMONSTRATION = b"pcap-zmq-demo"


def expect(holds, reason):
    if not holds:
        fail(reason)


def objects_of(scenario):
    return chart.objects(golden.load(scenario))


def pod_of(scenario, kind):
    """The pod that a kind of object of a scenario makes."""
    found = [o for (k, _), o in objects_of(scenario).items() if k == kind]
    expect(len(found) == 1, f"{scenario} has {len(found)} of {kind}")
    return found[0]["spec"] if kind == "Pod" else found[0]["spec"]["template"]["spec"]


def container(pod, name):
    for part in pod.get("initContainers", []) + pod["containers"]:
        if part["name"] == name:
            return part
    fail(f"no container {name}")


def wait_for(what, holds):
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        expect(time.monotonic() < deadline, f"{what}: not within {PATIENCE} s")
        time.sleep(0.05)
    return found


def free_ports():
    """Two that differ."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1]), str(other.getsockname()[1])


class Place:
    """Stands for a pod's file system: what the manifests call /run/x is below a folder."""

    def __init__(self, folder, bin_dir, moves=None):
        self.folder = pathlib.Path(folder)
        self.moves = {"/run/": f"{folder}/run/", "/tmp/": f"{folder}/tmp/",
                      "/var/log/": f"{folder}/log/", "/etc/pcap-zmq/": f"{folder}/etc/", **(moves or {})}
        # All at once, as what they become may hold what others look for.
        longest_first = sorted(self.moves, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest_first)))
        self.path = f"{bin_dir}:/usr/sbin:/usr/bin:/sbin:/bin"
        for name in ("run", "tmp", "log", "etc"):
            (self.folder / name).mkdir(exist_ok=True)

    def here(self, text):
        return self.pattern.sub(lambda found: self.moves[found[0]], text)

    def command(self, part):
        return [self.here(word) for word in part.get("command", []) + part.get("args", [])]

    def environment(self, part):
        given = {v["name"]: self.here(v.get("value", "node-1")) for v in part.get("env", [])}
        return {"PATH": self.path, "HOME": str(self.folder), **SANITIZERS, **given}

    def run(self, part):
        return subprocess.run(self.command(part), env=self.environment(part), check=False,
                              capture_output=True, text=True, timeout=3 * PATIENCE)


@contextlib.contextmanager
def started(*arguments, **options):
    process = subprocess.Popen(*arguments, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def check_preparation(bin_dir):
    """FIFOs for all, and a key that the receiver takes, also when it runs again."""
    pod = pod_of("many-outputs", "StatefulSet")
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder, bin_dir)
        for name in ("pcap-zmq/0", "pcap-zmq/1", "pcap-zmq/2", "secret", "keys"):
            (place.folder / "run" / name).mkdir(parents=True)
        secret = place.folder / "run/secret/receiver.key"
        secret.write_text("a key\n")
        secret.chmod(0o440)
        for _ in range(2):
            done = place.run(container(pod, "prepare"))
            expect(done.returncode == 0, f"prepare: {done.stderr}")
        for number in range(3):
            fifo = place.folder / f"run/pcap-zmq/{number}/ids.pcap"
            expect(fifo.is_fifo() and mode_of(fifo) == 0o640, f"{fifo} is no FIFO of mode 0640")
        key = place.folder / "run/keys/receiver.key"
        expect(key.read_text() == "a key\n" and mode_of(key) == 0o600, "the key is open to others")


def check_ids_entry(bin_dir):
    """One IDS a FIFO, whose alerts are the container's output."""
    for scenario, file in (("default", "snort/alert_json.txt"), ("suricata", "suricata/eve.json")):
        with tempfile.TemporaryDirectory() as folder:
            place = Place(folder, bin_dir, {"/run/pcap-zmq": f"{folder}/run/pcap-zmq"})
            (place.folder / "run/pcap-zmq").mkdir()
            (place.folder / "log" / file).parent.mkdir()
            part = dict(container(pod_of(scenario, "StatefulSet"), "ids-0"))
            part["args"] = ["sh", "-c", f"echo an alert >>/var/log/{file}"]
            # Twice, as a restart finds the link in place.
            for _ in range(2):
                done = place.run(part)
                expect(done.stdout == "an alert\n", f"{scenario}: {done.stdout!r}, {done.stderr}")
            held = os.open(place.folder / "run/pcap-zmq", os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)
            done = place.run(part)
            os.close(held)
            expect(done.returncode == 1 and "another IDS" in done.stderr, "two IDS read a FIFO")
    files = container(pod_of("plain", "StatefulSet"), "ids-0")
    expect("ln -sf" not in str(files["command"]), "alertsToLog: false, and alerts go to the log")


def check_pipe(bin_dir, scenario):
    """Keys as the Job makes them, a receiver as its pod runs it, and the packet of `helm test`."""
    encrypted = scenario != "plain"
    pod = pod_of(scenario, "StatefulSet")
    test = pod_of(scenario, "Pod")
    ports = dict(zip(("1234", "9478"), free_ports()))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        place = Place(folder, bin_dir, {f"{host}:{old}": f"127.0.0.1:{new}"
                                        for old, new in ports.items() for host in ("0.0.0.0", "[::]")})
        for name in ("pcap-zmq/0", "secret", "authorized", "keys"):
            (place.folder / "run" / name).mkdir(parents=True)
        if encrypted:
            made = pathlib.Path(folder) / "made"
            made.mkdir()
            job = Place(made, bin_dir)
            (made / "run/keys").mkdir()
            done = job.run(container(pod_of(scenario, "Job"), "generate"))
            expect(done.returncode == 0, f"generate: {done.stderr}")
            (volume,) = [v for v in pod["volumes"] if v["name"] == "authorized"]
            names = {i["key"]: i["path"] for i in volume["secret"]["items"]}
            keys = made / "run/keys"
            shutil.copy(keys / "receiver.key", place.folder / "run/secret/receiver.key")
            shutil.copy(keys / "sender.pub", place.folder / "run/authorized" / names["sender.pub"])
        done = place.run(container(pod, "prepare"))
        expect(done.returncode == 0, f"prepare: {done.stderr}")
        if encrypted:
            # Where the test's pod has its own part of the Secret.
            for name in ("sender.key", "receiver.pub"):
                shutil.copy(keys / name, place.folder / "run/keys" / name)
        fifo = place.folder / "run/pcap-zmq/0/ids.pcap"
        capture = place.folder / "capture"
        with open(capture, "wb") as sink:
            running.enter_context(started(["cat", fifo], stdout=sink))
        log = open(place.folder / "receiver.log", "w+", encoding="utf-8")
        running.enter_context(log)
        receiver = running.enter_context(started(
            [f"{bin_dir}/pcap-zmq-recv"], env=place.environment(container(pod, "receiver")),
            stderr=log))
        health = ["pcap-zmq-recv", "--healthcheck"]

        def healthy():
            expect(receiver.poll() is None, f"the receiver: {(place.folder / 'receiver.log').read_text()}")
            return subprocess.run(health, check=False, capture_output=True,
                                  env=place.environment(container(pod, "receiver"))).returncode == 0

        wait_for("the receiver's health", healthy)
        part = dict(test["containers"][0])
        here = {"RECEIVERS": "localhost", "PORT": ports["1234"], "METRICS_PORT": ports["9478"]}
        part["env"] = [{"name": v["name"], "value": here.get(v["name"], v["value"])}
                       for v in part["env"]]
        done = place.run(part)
        expect(done.returncode == 0, f"helm test, {scenario}: {done.stdout}{done.stderr}")
        expect("the packet has come: 0, now 1" in done.stdout, f"helm test, {scenario}: {done.stdout}")
        wait_for("the packet in the FIFO", lambda: capture.read_bytes().count(DEMONSTRATION) == 1)
        again = place.run(part)
        expect("the packet has come: 1, now 2" in again.stdout, f"helm test again: {again.stdout}")
        receiver.send_signal(signal.SIGTERM)
        expect(receiver.wait(PATIENCE) == 0, "the receiver does not end well")
        # A test that passes without a receiver would be none.
        part["command"] = [word.replace("i < 60", "i < 1") for word in part["command"]]
        part["env"].append({"name": "PCAP_ZMQ_DRAIN_TIMEOUT", "value": "100ms"})
        alone = place.run(part)
        expect(alone.returncode != 0, f"helm test passes without a receiver: {alone.stdout}")


def in_namespace(place, script):
    """Runs a script where the network is its own, and processes end with it; None: it may not."""
    way = ["unshare", "--net", "--pid", "--fork", "--kill-child"]
    if os.geteuid() != 0:
        way += ["--user", "--map-root-user"]
    if subprocess.run([*way, "nft", "list", "tables"], check=False, capture_output=True).returncode:
        return None
    return subprocess.run([*way, "bash", "-c", script], check=False, capture_output=True, text=True,
                          timeout=3 * PATIENCE, env={"PATH": place.path, **SANITIZERS})


RULES = r"""
set -uo pipefail
nft 'table inet filter { chain input { counter; }; }; table ip other { }' || exit 1
before=$(nft list ruleset)
for round in 1 2; do
  : >"$FOLDER/said"  # here, before the last round's words could be taken for this one's
  sh -c "$SCRIPT" >"$FOLDER/said" 2>&1 &
  rules=$!
  for ((i = 0; i < 600; ++i)); do
    grep -q loaded "$FOLDER/said" && break
    kill -0 $rules || { cat "$FOLDER/said"; exit 1; }
    sleep 0.1
  done
  nft list table inet "$TABLE" || exit 1
  [[ $round == 1 ]] || break
  # Killed, it leaves its table, which the next one takes over.
  kill -KILL $rules
  wait $rules
done
kill -TERM $rules
wait $rules || { echo "the end of the rules: $?"; exit 1; }
after=$(nft list ruleset)
[[ $before == "$after" ]] || { echo "left behind or taken away: $after"; exit 1; }
echo "as it was"
"""


def check_rules(bin_dir):
    """Each scenario's table is one that nft takes, comes and goes, and leaves all others alone."""
    if not shutil.which("nft"):
        return "nft is not installed"
    for scenario in ("nft-rules", "default"):
        values = objects_of(scenario)
        with tempfile.TemporaryDirectory() as folder:
            place = Place(folder, bin_dir)
            if scenario == "default":
                # The chart's own rules, which no scenario of golden/ has.
                values = yaml.safe_load((chart.CHART / "values.yaml").read_text())
                names = ", ".join(f'"{name}"' for name in
                                  values["sender"]["rules"]["podInterfaces"])
                ruleset = re.search(r'podRules" -}}\n(.*?){{- end', (
                    chart.CHART / "templates/_rules.tpl").read_text(), re.DOTALL)[1]
                body = (f"define pipe_port = 1234\ndefine pod_interfaces = {{ {names} }}\n"
                        "define pods4 = { 0.0.0.0/32 }\ndefine pods6 = { ::/128 }\n"
                        f"table inet t {{\n{ruleset}\n}}\n")
                (place.folder / "etc/rules.nft").write_text(body)
                script = f"nft -f {folder}/etc/rules.nft && nft list ruleset"
                wanted = "log group 0 snaplen 65535"
            else:
                (rules,) = [o for (_, n), o in values.items() if n.endswith("-rules")]
                (place.folder / "etc/rules.nft").write_text(rules["data"]["rules.nft"])
                part = container(pod_of(scenario, "DaemonSet"), "rules")
                script = place.here(part["command"][2])
                table = re.search(r"delete table inet (\w+)", script)[1]
                expect("_ids_" in table and "pipe" in table, f"whose table is {table}?")
                script = (f"SCRIPT={quoted(script)}\nTABLE={table}\nFOLDER={folder}\n" + RULES)
                wanted = "as it was"
            done = in_namespace(place, script)
            if done is None:
                return "no private network namespace can be made here"
            expect(done.returncode == 0 and wanted in done.stdout,
                   f"rules of {scenario}: {done.stdout}{done.stderr}")
    return None


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def check_variables(bin_dir):
    """The programs take the environment that their containers get, in every scenario."""
    checked = 0
    for scenario in golden.names():
        for kind, name in (("DaemonSet", "sender"), ("StatefulSet", "receiver")):
            if not any(k == kind for k, _ in objects_of(scenario)):
                continue
            part = container(pod_of(scenario, kind), name)
            given = {v["name"]: v.get("value", "node-1").replace("$(NODE_IP)", "192.0.2.1")
                     for v in part["env"]}
            program = f"{bin_dir}/pcap-zmq-{'send' if name == 'sender' else 'recv'}"
            done = subprocess.run([program, "--print-config"], env=given | SANITIZERS, check=False,
                                  capture_output=True, text=True)
            expect(done.returncode == 0, f"{scenario}: {name}: {done.stderr}")
            checked += 1
    return checked


def main():
    bin_dir = pathlib.Path(sys.argv[1]).resolve()
    variables = check_variables(bin_dir)
    check_preparation(bin_dir)
    check_ids_entry(bin_dir)
    check_pipe(bin_dir, "plain")
    check_pipe(bin_dir, "default")
    no_rules = check_rules(bin_dir)
    print(f"{variables} environments are taken; keys, FIFOs, alerts and the packet of `helm test` arrive")
    if no_rules:
        chart.skip(f"but the rules were not loaded: {no_rules}")
    print("the rules come and go alone")


main()
