#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The chart with Helm 3 and Helm 4: lint, package, and what each scenario of ci/ renders, which is in
golden/.  After a change that is meant: UPDATE_GOLDEN=1 tests/deploy/helm/render_test.py
"""

import concurrent.futures
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import textwrap

import chart
import golden
from chart import fail, yaml

# What the chart takes from elsewhere in the tree, by links.
LINKS = {
    "alerts.yml": "grafana/prometheus/alerts.yml",
    "dashboard-pipe.json": "grafana/dashboards/pcap-zmq-pipe.json",
    "dashboard-runbook.json": "grafana/dashboards/pcap-zmq-runbook.json",
    "snort.lua": "docker/snort/snort.lua",
    "snort.rules": "docker/snort/local.rules",
    "suricata.yaml": "docker/suricata/local.yaml",
    "suricata.rules": "docker/suricata/local.rules",
}


def expect(holds, reason):
    if not holds:
        fail(reason)


def indented(text, width):
    """As Helm's nindent has it: blank lines too."""
    return "".join(f"{' ' * width}{line}\n" for line in text.rstrip("\n").split("\n"))


def shortened(rendered):
    """Without the files of elsewhere, which change without the chart; whole, or it stays."""
    for source in LINKS.values():
        text = (chart.ROOT / source).read_text()
        for change in (("", ""), ("limit = 100,", "limit = 0,"),
                       ("http://localhost:3000", "https://grafana.example.org")):
            changed = text.replace(*change) if change[0] else text
            for width in (2, 4):
                named = f"{' ' * width}<{source}>\n"
                rendered = rendered.replace(indented(changed, width), named)
    rendered = re.sub(r"[ \t]+$", "", rendered, flags=re.MULTILINE)
    return re.sub(r"^( +checksum/.*: )[0-9a-f]{64}$", r"\1<sha256>", rendered, flags=re.MULTILINE)


def compare_goldens(rendered):
    if os.environ.get("UPDATE_GOLDEN"):
        golden.store(rendered)
    there = {file.name for file in golden.FOLDER.iterdir()}
    wanted = {golden.file_of(name).name for name in rendered}
    expect(there <= wanted, f"golden/ has what ci/ has not: {sorted(there - wanted)}")
    expect(wanted <= there, f"golden/ lacks what ci/ has (UPDATE_GOLDEN=1 writes it): "
           f"{sorted(wanted - there)}")
    # Those that others are made of come first: their difference says the most.
    for name in sorted(rendered, key=lambda name: name not in golden.WHOLE):
        kept, text = golden.load(name), rendered[name]
        lines = difflib.unified_diff(kept.splitlines(), text.splitlines(), f"golden/{name}",
                                     "rendered", lineterm="", n=2)
        expect(kept == text, f"{name} renders differently (UPDATE_GOLDEN=1 takes it):\n"
               + "\n".join(list(lines)[:60]))


def check_links():
    """The chart has no copies: each file of it is a link to the one source."""
    files = chart.CHART / "files"
    expect({f.name for f in files.iterdir()} == set(LINKS), "files/ has others than this test knows")
    for name, source in LINKS.items():
        expect((files / name).is_symlink(), f"files/{name} is a copy; make it a link to {source}")
        expect((files / name).resolve() == chart.ROOT / source, f"files/{name} is no link to {source}")


def check_package(version, renders):
    """A package is whole without the tree: it renders the same, and holds the links' content."""
    with tempfile.TemporaryDirectory() as folder:
        chart.helm(version, "package", chart.CHART, "--destination", folder)
        (package,) = pathlib.Path(folder).glob("*.tgz")
        with tarfile.open(package) as archive:
            names = archive.getnames()
            expect(not any("/ci/" in n for n in names), "the package holds ci/")
            for name, source in LINKS.items():
                member = archive.extractfile(f"pcap-zmq-pipe/files/{name}")
                expect(member is not None and member.read() == (chart.ROOT / source).read_bytes(),
                       f"{version}'s package does not hold {source}")
        for name, values in chart.scenarios().items():
            again = chart.template(version, "--values", values, chart=package)
            expect(again == renders[name], f"{version}: the package renders {name} differently")


def check_alerts(monitoring):
    """What Prometheus gets is what promtool takes, with the links of one's own Grafana."""
    (rule,) = [o for (kind, _), o in monitoring.items() if kind == "PrometheusRule"]
    source = yaml.safe_load((chart.ROOT / LINKS["alerts.yml"]).read_text())
    text = yaml.safe_dump(source).replace("http://localhost:3000", "https://grafana.example.org")
    expect(rule["spec"] == yaml.safe_load(text), "the alerts are not those of grafana/")
    if shutil.which("promtool"):
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump(rule["spec"], file)
            file.flush()
            done = subprocess.run(["promtool", "check", "rules", file.name], check=False,
                                  capture_output=True, text=True)
            expect(done.returncode == 0, done.stderr)
    for (kind, name), found in monitoring.items():
        if kind == "ConfigMap" and "-dashboard-" in name:
            file = LINKS["dashboard-" + name.rpartition("-")[2] + ".json"]
            (text,) = found["data"].values()
            expect(text.rstrip("\n") == (chart.ROOT / file).read_text().rstrip("\n"),
                   f"{name} is not {file}")


def check_no_keys(rendered):
    """Nothing that Helm keeps holds a key."""
    for (kind, name), found in chart.objects(rendered).items():
        expect(kind != "Secret", f"a Secret in the release: {name}")
        text = yaml.safe_dump({k: v for k, v in found.items() if not name.endswith("-authorized")})
        expect(not re.search(r"\brq:rM>", text), f"a key in {kind} {name}")


def frozen(rendered):
    """What the cluster lets nobody change: selectors, and more of a StatefulSet."""
    kept = {}
    for key, found in chart.objects(rendered).items():
        spec = found.get("spec", {})
        kept[key] = [spec.get("selector"), spec.get("serviceName"), spec.get("podManagementPolicy"),
                     spec.get("podSelector"), spec.get("volumeClaimTemplates"),
                     found.get("roleRef")]
    return kept


# What a release has been installed with: another value here is an upgrade that fails.
FROZEN = {
    ("DaemonSet", "pipe-pcap-zmq-pipe-sender"): "sender",
    ("StatefulSet", "pipe-pcap-zmq-pipe-receiver"): "receiver",
    ("Service", "pipe-pcap-zmq-pipe-receiver-headless"): "receiver",
    ("PodDisruptionBudget", "pipe-pcap-zmq-pipe-receiver"): "receiver",
}


def templates_of(rendered):
    return {key: found["spec"]["template"] for key, found in chart.objects(rendered).items()
            if key[0] in ("DaemonSet", "StatefulSet")}


def check_upgrade(version):
    """Another version of the chart changes no selector, and restarts nothing but for its images."""
    values = ["--values", chart.scenarios()["network-policy"],
              "--values", chart.scenarios()["monitoring"], "--set", "receiver.external.enabled=true"]
    before = chart.template(version, *values)
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "pcap-zmq-pipe"
        shutil.copytree(chart.CHART, copy)
        file = copy / "Chart.yaml"
        file.write_text(file.read_text().replace("version: 0.1.0", "version: 7.8.9"))
        expect("7.8.9" in file.read_text(), "the copy's version is the old one")
        after = chart.template(version, *values, chart=copy)
        file.write_text(re.sub(r'appVersion: ".*"', 'appVersion: "4.5.6"', file.read_text()))
        newer = chart.template(version, *values, "--set", "commonLabels.team=x",
                               "--set", "sender.podLabels.y=z", chart=copy)
    expect("7.8.9" in after, "the other version is not rendered")
    expect(frozen(before) == frozen(after) == frozen(newer), "an upgrade changes what is frozen")
    expect(templates_of(before) == templates_of(after), "a chart's version restarts the pods")
    expect("sender:4.5.6" in newer, "the images do not follow appVersion")
    kept = frozen(before)
    for key, component in FROZEN.items():
        selector = kept[key][0]
        expect(selector.get("matchLabels", selector) == {
            "app.kubernetes.io/name": "pcap-zmq-pipe", "app.kubernetes.io/instance": "pipe",
            "app.kubernetes.io/component": component}, f"{key} selects by {selector}")
    expect(kept[("StatefulSet", "pipe-pcap-zmq-pipe-receiver")][1:3]
           == ["pipe-pcap-zmq-pipe-receiver-headless", "Parallel"], "the StatefulSet's frozen fields")


def check_restarts(version):
    """Rules restart the receivers; what else is in a ConfigMap that pods read, its readers."""
    def checksums(*values):
        found = templates_of(chart.template(version, *values))
        return {kind: template["metadata"].get("annotations", {})
                for (kind, _), template in found.items()}

    plain = checksums()
    rules = checksums("--set", "receiver.ids.rules=alert x")
    expect(plain["StatefulSet"] != rules["StatefulSet"], "new IDS rules restart nobody")
    expect(plain["DaemonSet"] == rules["DaemonSet"], "new IDS rules restart the senders")
    nft = ["--set", "sender.rules.enabled=true", "--set", "sender.rules.image.repository=x"]
    expect(checksums(*nft)["DaemonSet"] != checksums(*nft, "--set", "receiver.port=99")["DaemonSet"],
           "new nft rules restart nobody")


def check_notes(version):
    for name, values in chart.scenarios().items():
        text = chart.notes(version, "--values", values)
        steps = re.findall(r"^  # ([123])\. .+\n  (kubectl|helm) ", text, re.MULTILINE)
        expect([n for n, _ in steps] == ["1", "2", "3"], f"{name}: no three commands:\n{text}")
        expect(text.count("-n ids ") >= 3, f"{name}: the commands have no namespace")
        encrypted = "keys.enabled" not in text
        expect(encrypted != (name == "plain"), f"{name}: the notes mistake the encryption")
        makes = "pcap-zmq-pipe-keys" in text or "ids-keys" in text
        expect(makes == (name not in ("plain", "existing-secret", "senders-only")),
               f"{name}: the notes mistake whose the keys are")


def check_with(version):
    """Everything with one Helm; {scenario: what it renders, shortened}."""
    chart.helm(version, "lint", "--strict", chart.CHART)
    renders = {}
    for name, values in chart.scenarios().items():
        chart.helm(version, "lint", "--strict", chart.CHART, "--values", values)
        renders[name] = chart.template(version, "--values", values)
        check_no_keys(renders[name])
    check_package(version, renders)
    check_alerts(chart.objects(renders["monitoring"]))
    check_upgrade(version)
    check_restarts(version)
    check_notes(version)
    return {name: shortened(text) for name, text in renders.items()}


def main():
    chart.need(*chart.HELMS)
    check_links()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        goldens, newer = pool.map(check_with, chart.HELMS)
    expect(goldens == newer, "Helm 4 renders otherwise than Helm 3")
    compare_goldens(goldens)
    shown = chart.helm("helm3", "version", "--short")[1].strip()
    newer = chart.helm("helm4", "version", "--short")[1].strip()
    print(textwrap.fill(f"{len(goldens)} scenarios lint, render and package with {shown} and {newer} "
                        "and are those of golden/", 100))


main()
