# SPDX-License-Identifier: MIT
"""What the tests of the Helm chart share: where things are, and what Helm renders."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from verdict import fail, skip  # pylint: disable=unused-import,wrong-import-position

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy/helm/pcap-zmq-pipe"
TOOLS = ROOT / "build/node"
HELMS = ("helm3", "helm4")
RELEASE = ("pipe", "--namespace", "ids")


try:
    import yaml
except ImportError:
    skip("Python has no yaml here (Debian's python3-yaml)")


def need(*tools):
    """Skips unless these are in build/node/bin."""
    for tool in tools:
        if not (TOOLS / "bin" / tool).exists():
            skip(f"{tool} is not in build/node/bin: scripts/install-node-tools")


def helm(version, *arguments, check=True):
    """Runs Helm with homes of its own and no cluster; returns (status, stdout, stderr)."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [TOOLS / "bin" / version, *arguments], check=False, capture_output=True, text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": home, "KUBECONFIG": "/dev/null"})
    # Both say of each file of the chart that is a link that they follow it.
    errors = "\n".join(line for line in done.stderr.splitlines() if "symbolic link" not in line)
    if check and done.returncode != 0:
        fail(f"{version} {' '.join(map(str, arguments))}: {errors}")
    return done.returncode, done.stdout, errors


def template(version, *arguments, chart=CHART):
    return helm(version, "template", *RELEASE, chart, *arguments)[1]


def notes(version, *arguments):
    """What is printed after an installation; Helm 3 prints it to those with a cluster only."""
    if version == "helm4":
        shown = helm(version, "install", *RELEASE, CHART, "--dry-run=client", *arguments)[1]
        return shown.partition("\nNOTES:\n")[2]
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "chart"
        shutil.copytree(CHART, copy)
        (copy / "templates/notes.yaml").write_text(
            "kind: Notes\nmetadata: {name: notes}\ntext: "
            '{{ include "pcap-zmq-pipe/templates/NOTES.txt" . | toJson }}\n')
        return objects(template(version, *arguments, chart=copy))[("Notes", "notes")]["text"]


def objects(rendered):
    """{(kind, name): object} of a rendered text."""
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(rendered) if o}


def scenarios():
    """{name: values file} of the chart's ci/."""
    return {f.name.removesuffix("-values.yaml"): f for f in sorted(CHART.glob("ci/*-values.yaml"))}
