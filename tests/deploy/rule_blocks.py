# SPDX-License-Identifier: MIT
"""Finds every block of rules that a reader of the documents would load, and says how he would.

Blocks are fenced code in Markdown, of whatever language, that looks like rules; the `ruleset: |` of
the chart's values; and the files of docker/rules/."""
import collections
import os
import re

# kind: nft (text for nft -f), commands (lines for a shell), script (load it).
Block = collections.namedtuple("Block", "where kind text groups is_cluster families")

LOOKS_LIKE_RULES = re.compile(
    r"\bip6?tables(?:-restore)?\s+-|\bnft\s+(?:-f|add|insert|create)\b|\bNFLOG\b"
    r"|\btype \w+ hook\b|\blog\b.*\bgroup \d|^\s*(?:table|chain)\s+\w+|\bjhash\b|\bsymhash\b", re.M)
# Not the # of a prompt, "gateway# ".
COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.M)
COMMAND = re.compile(r"^(?:ip6?tables|nft)\s")
PROMPT = re.compile(r"^[\w.-]+# +")
# Blocks that look like rules and are none to load, each with a text that it has, and the reason.
LISTED = {
    ("README.md", "kernel NFLOG"): "a picture",
    ("src/README.md", "NFLOG groups"): "a picture",
}
# What a reader of this machine's Markdown never sees.
NOT_DOCUMENTS = ("build", "node_modules")


class Unknown(Exception):
    """A block that is neither known to load nor listed."""


def documents(root):
    """The Markdown files below root, by their names."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in NOT_DOCUMENTS)
        yield from (os.path.join(folder, f) for f in sorted(files) if f.endswith(".md"))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def fences(text):
    """(line number, lines) of each fenced block, without the indentation of the fence."""
    found, inside = [], None
    for number, line in enumerate(text.splitlines(), 1):
        line = re.sub(r"^( *> ?)+", "", line)
        fence = re.match(r"( *)(`{3,}|~{3,})", line)
        if inside is None and fence:
            inside = (number + 1, [], fence)
        elif inside is not None and fence and line.strip() == inside[2][2]:
            found.append(inside[:2])
            inside = None
        elif inside is not None:
            indent = len(inside[2][1])
            inside[1].append(line[indent:] if not line[:indent].strip() else line)
        elif re.match(r" {4,}(?:ip6?tables|nft -f|table inet|chain \w+ \{)", line):
            raise Unknown(f"line {number} has rules outside of a fence: {line.strip()}")
    if inside is not None:
        raise Unknown(f"the fence of line {inside[0] - 1} does not end")
    return [(number, "\n".join(lines) + "\n") for number, lines in found]


def block_of(where, text, prelude=""):
    """How to load a text, or Unknown."""
    joined = text.replace("\\\n", " ")
    groups = {int(n) for n in re.findall(r"(?:\bgroup|--nflog-group) (\d+)", text)}
    bare = COMMENT.sub("", joined)
    # Rules that name addresses of IPv4 alone, or its program alone, log IPv4 alone.
    families = "4" if ("iptables" in text and "ip6tables" not in text or
                       re.search(r"\bip [sd]addr", bare) and "ip6" not in bare) else "46"
    shape = (groups, "cali" in bare or "$pod_interfaces" in bare, families)
    if re.search(r"^\s*table\s", text, re.M):
        return Block(where, "nft", prelude + text, *shape)
    if re.search(r"^\s*chain\s", text, re.M):
        # A part of a table: what it defines comes before the table.
        defines = "".join(re.findall(r"^\s*define .*\n", text, re.M))
        rest = re.sub(r"^\s*define .*\n", "", text, flags=re.M)
        return Block(where, "nft", f"{prelude}{defines}table inet pcap_zmq\ndelete table inet "
                     f"pcap_zmq\ntable inet pcap_zmq {{\n{rest}}}\n", *shape)
    lines = [PROMPT.sub("", line).strip() for line in bare.splitlines()]
    commands = [line for line in lines if COMMAND.match(line)]
    strange = [line for line in lines if LOOKS_LIKE_RULES.search(line) and line not in commands]
    if not commands or strange:
        raise Unknown(f"{where}: looks like rules and cannot be loaded; make it so, or list it "
                      f"with the reason:\n{text}")
    return Block(where, "commands", "".join(line + "\n" for line in commands), *shape)


def blocks_of_documents(root, listed=None):
    """The blocks of the Markdown files; all that is listed must be there."""
    listed = LISTED if listed is None else listed
    found, unseen = [], set(listed)
    for path in documents(root):
        name = os.path.relpath(path, root)
        try:
            parts = fences(read(path))
        except Unknown as unknown:
            raise Unknown(f"{name}: {unknown}") from None
        for number, text in parts:
            if not LOOKS_LIKE_RULES.search(COMMENT.sub("", text)):
                continue
            known = [key for key in listed if key[0] == name and key[1] in text]
            unseen -= set(known)
            if not known:
                found.append(block_of(f"{name}:{number}", text))
    if unseen:
        raise Unknown(f"listed, and not there any more: {sorted(unseen)}")
    return found


def chart_prelude(values):
    """What templates/_rules.tpl defines, with the chart's own values."""
    def listed(name):
        found = re.search(rf"^ *{name}: \[(.*)\]$", values, re.M)
        if not found:
            raise Unknown(f"the chart has no {name}")
        return found[1]
    return (f"define pipe_port = 1234\ndefine pod_interfaces = {{ {listed('podInterfaces')} }}\n"
            f"define pods4 = {{ {listed('podNetworks')} }}\n"
            # A cluster with IPv6 names its network, too.
            "define pods6 = { fd00:10:244::/56 }\n")


def blocks_of_chart(root):
    """The chart's rules: its default, and those of its examples."""
    chart, found = os.path.join(root, "deploy", "helm", "pcap-zmq-pipe"), []
    prelude = chart_prelude(read(os.path.join(chart, "values.yaml")))
    for path in [os.path.join(chart, "values.yaml"),
                 *(os.path.join(chart, "ci", name)
                   for name in sorted(os.listdir(os.path.join(chart, "ci"))))]:
        text = read(path)
        for part in re.finditer(r"^( *)ruleset: \|\n((?:\1 .*\n|\n)+)", text, re.M):
            line = text[:part.start(2)].count("\n") + 1
            found.append(block_of(f"{os.path.relpath(path, root)}:{line}", part[2], prelude))
    name = "deploy/helm/pcap-zmq-pipe/templates/_rules.tpl"
    own = re.search(r'define "pcap-zmq-pipe.podRules" -}}\n(.*?){{- end',
                    read(os.path.join(root, name)), re.S)
    if not own:
        raise Unknown(f"{name} has no podRules")
    return [block_of(name, own[1], prelude), *found]


def blocks_of_recipes(root):
    """The files of docker/rules/, as they are."""
    folder, found = os.path.join(root, "docker", "rules"), []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.endswith((".nft", ".sh")):
            groups = {0, 1} if "groups" in name or "gateway" in name else {0}
            kind = "nft" if name.endswith(".nft") else "script"
            found.append(Block("docker/rules/" + name, kind,
                               read(path) if kind == "nft" else path, groups, False, "46"))
    return found
