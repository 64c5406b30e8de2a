#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Values, schema and manuals of the chart say the same: each value has a comment, which the chart's
README lists; options are those of the programs; docs/kubernetes.md has each option's one row.
Usage: docs_test.py BIN_DIR.  UPDATE_README=1 writes the README's table anew.
"""

import json
import os
import re
import subprocess
import sys

import chart
from chart import fail, yaml

README = chart.CHART / "README.md"
MANUAL = chart.ROOT / "docs/kubernetes.md"
MOST_LINES = 300
PROGRAMS = {"sender": "pcap-zmq-send", "receiver": "pcap-zmq-recv"}
# They end the program at once, which is nothing for a pod.
ACTIONS = {"print-config", "healthcheck", "version", "help"}


def expect(holds, reason):
    if not holds:
        fail(reason)


def entries_of(text):
    """(path, value, comment above it) of each key of values.yaml that has a line of its own."""
    values = yaml.safe_load(text)
    stack, comment, inside = [], [], None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if inside is not None and (not line.strip() or indent > inside):
            continue
        inside = None
        key = re.match(r" *([A-Za-z][A-Za-z0-9-]*):(.*)$", line)
        if line.lstrip().startswith("#"):
            comment.append(line.strip("# "))
        elif not key:
            comment = []
        else:
            while stack and stack[-1][0] >= indent:
                stack.pop()
            stack.append((indent, key[1]))
            value = values
            for _, name in stack:
                value = value[name]
            # Lists and texts go on in the lines below.
            if not isinstance(value, dict):
                inside = indent
            yield ".".join(name for _, name in stack), value, " ".join(comment)
            comment = []


def value_rows(text):
    """(path, default, comment) for the table; no default for a group, whose values have rows."""
    entries = list(entries_of(text))
    rows = []
    whole = "\0"
    for path, value, said in entries:
        if path.startswith(whole + "."):
            continue
        parts = [(p, s) for p, _, s in entries if p.startswith(path + ".")]
        if said and parts and not any(s for _, s in parts):
            whole = path
        if not parts or path == whole:
            expect(said, f"values.yaml: {path} has no comment")
            rows.append((path, value, said))
        elif said:
            rows.append((path, None, said))
    return rows


def check_values(text):
    lines = text.count("\n")
    expect(lines <= MOST_LINES, f"values.yaml has {lines} lines; {MOST_LINES} are the most")
    rows = value_rows(text)
    expect(len(rows) > 80, f"only {len(rows)} values found")
    return rows


def table_of(rows):
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for path, value, said in rows:
        default = f"`{json.dumps(value, ensure_ascii=False)}`"
        if value is None:
            default = "its values below"
        elif isinstance(value, str) and "\n" in value:
            default = "in values.yaml"
        lines.append(f"| `{path}` | {default} | {said} |")
    return "\n".join(lines)


def check_readme(rows):
    begin, end = "<!-- values -->\n", "\n<!-- /values -->"
    text = README.read_text()
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    expect(found and closed, f"{README.name} has no place for the table of values")
    fresh = head + begin + table_of(rows) + end + tail
    if os.environ.get("UPDATE_README"):
        README.write_text(fresh)
    expect(README.read_text() == fresh,
           "the chart's README.md does not have the table of values.yaml (UPDATE_README=1 writes it)")


def options_of(program):
    """Long names of the options and the arguments in --help."""
    done = subprocess.run([program, "--help"], check=True, capture_output=True, text=True)
    options = set(re.findall(r"^ +(?:-[A-Za-z],? *)?--([a-z][a-z0-9-]*)", done.stdout, re.MULTILINE))
    section = done.stdout.partition("\nArguments:\n")[2].partition("\n\n")[0]
    arguments = re.findall(r"^  ([A-Z]+) ", section, re.MULTILINE)
    expect(len(options) > 10 and arguments, f"no options found in {program} --help")
    return options | {name.lower() for name in arguments}


def check_options(schema, bin_dir):
    """The maps `config` take what the programs take, and nothing else."""
    known = {}
    for part, program in PROGRAMS.items():
        real = options_of(f"{bin_dir}/{program}") - ACTIONS
        config = schema["properties"][part]["properties"]["config"]
        expect(config["additionalProperties"] is False, f"{part}.config takes anything")
        listed = set(config["properties"])
        expect(listed == real, f"values.schema.json, {part}.config: {program} has {sorted(real - listed)}"
               f" as well, and not {sorted(listed - real)}")
        known[part] = {name: "elsewhere" in json.dumps(kind)
                       for name, kind in config["properties"].items()}
    return known


def has_path(schema, path):
    for name in path.split("."):
        while "$ref" in schema:
            schema = DEFINITIONS[schema["$ref"].rpartition("/")[2]]
        schema = schema.get("properties", {}).get(name)
        if schema is None:
            return False
    return True


def check_manual(schema, known):
    """One row for each option: flag, variable and value."""
    rows = {}
    text = MANUAL.read_text()
    table = text.partition("<!-- options -->")[2].partition("<!-- /options -->")[0]
    for flag, variable, where in re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", table, re.MULTILINE):
        if flag in ("---", "flag"):
            continue
        name = flag.strip("`-").lower()
        expect(name not in rows, f"{MANUAL.name}: {flag} has two rows")
        rows[name] = where
        expected = "PCAP_ZMQ_" + name.upper().replace("-", "_")
        expect(variable == f"`{expected}`", f"{MANUAL.name}: the variable of {flag} is {expected}")
    wanted = set(known["sender"]) | set(known["receiver"])
    expect(set(rows) == wanted, f"{MANUAL.name}: the table lacks {sorted(wanted - set(rows))} and has "
           f"{sorted(set(rows) - wanted)}, which are no options")
    for name, where in rows.items():
        values = re.findall(r"`([a-z][A-Za-z.-]*)`", where)
        for value in values:
            expect(has_path(schema, value), f"{MANUAL.name}: {name}: there is no value {value}")
        for part, options in known.items():
            if name in options and not options[name]:
                expect(f"{part}.config.{name}" in values, f"{MANUAL.name}: {name} lacks {part}.config.{name}")
            if name in options and options[name]:
                expect(f"{part}.config.{name}" not in values,
                       f"{MANUAL.name}: {part}.config.{name} is refused, and is in the table")
            expect(name in options or f"{part}.config.{name}" not in values,
                   f"{MANUAL.name}: the {part} has no option {name}")


def closed_schemas(schema, path=""):
    """Paths of the maps of the schema that take any key though they list some."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("additionalProperties", True) is not False:
            yield path
        for name, part in schema.items():
            yield from closed_schemas(part, f"{path}/{name}")
    elif isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from closed_schemas(part, f"{path}/{number}")


def check_versions():
    project = re.search(r"VERSION (\d+\.\d+\.\d+)", (chart.ROOT / "CMakeLists.txt").read_text())[1]
    described = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())
    expect(described["appVersion"] == project, f"the chart's appVersion is not the project's {project}")


def main():
    text = (chart.CHART / "values.yaml").read_text()
    schema = json.loads((chart.CHART / "values.schema.json").read_text())
    DEFINITIONS.update(schema["definitions"])
    check_versions()
    rows = check_values(text)
    check_readme(rows)
    # Containers and volumes of the user's own are the cluster's to judge.
    open_ones = set(closed_schemas(schema)) - {"/definitions/namedObjects/items"}
    expect(not open_ones, f"values.schema.json takes unknown keys at {sorted(open_ones)}")
    for path, value, _ in rows:
        expect(value is None or has_path(schema, path), f"values.schema.json does not know {path}")
    known = check_options(schema, sys.argv[1])
    check_manual(schema, known)
    print(f"{sum(v is not None for _, v, _ in rows)} values and "
          f"{len(known['sender'])} + {len(known['receiver'])} options are documented as they are")


DEFINITIONS = {}
main()
