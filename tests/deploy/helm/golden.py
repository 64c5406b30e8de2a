#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What each scenario of the chart's ci/ renders, as golden/ keeps it: two of them whole, NAME.yaml, and
of each other what it changes in one of those, NAME.diff, from which load() makes the whole again, to the
letter.

A .diff goes through the objects of the rendering that it names first:

  from NAME                 the whole rendering that is changed
  === KIND NAME             this object is changed, by the hunks that follow
  === KIND NAME: none       this object is not there
  === new before KIND NAME  one more object, which follows; or "=== new at the end"
  @@ PATH                   below this path there is, once, what the hunk has in common with the object
                            and what it takes away
   common, -old, +new       lines; an empty one is an empty line that is common

Objects, paths and lines say where a change is, and no number does: what changes in both renderings alike
changes no .diff.  Usage: golden.py FOLDER   writes each scenario's whole rendering into FOLDER
"""

import difflib
import pathlib
import re
import sys

from chart import fail

FOLDER = pathlib.Path(__file__).resolve().parent / "golden"
# These show the most between them: keys that the chart makes and an IDS that logs to its container, and
# neither, with containers of the user's own beside it.
WHOLE = ("default", "plain")
# So many common lines between two changes make one hunk of them.
NEAR = 2


def objects(rendered):
    """[title, text] of each object, in order; the text begins with its "---"."""
    found = []
    for part in re.split(r"^(?=---$)", rendered, flags=re.MULTILINE):
        kind = re.search(r"^kind: (\S+)$", part, re.MULTILINE)
        name = re.search(r"^metadata:\n  name: (\S+)$", part, re.MULTILINE)
        if kind and name:
            found.append((f"{kind[1]} {name[1]}", part))
        elif part:
            fail(f"a part of the rendering has no kind or does not begin with its name:\n{part}")
    return found


def paths(lines):
    """For each line where it is, as in spec.containers[name: ids-0].args."""
    found, above = [], []  # above: (column, name) of each level
    text_of = None  # the column of the key whose text this is
    for line in lines:
        content = line.lstrip(" ")
        column = len(line) - len(content)
        if content and text_of is not None and column <= text_of:
            text_of = None
        if content and text_of is None:
            # A list may begin in its key's column: half a column to the right.
            while above and above[-1][0] >= column + 0.5 * content.startswith("- "):
                above.pop()
        found.append("".join(name for _, name in above).removeprefix("."))
        if not content or text_of is not None or content.startswith("#"):
            continue
        if content.startswith("- "):
            above.append((column + 0.5, f"[{content[2:]}]"))
            if re.fullmatch(r"- [|>][-+]?", content):
                text_of = column
            content, column = content[2:], column + 2
        if key := re.fullmatch(r"([^\s:]+):( [|>][-+]?)?", content):
            above.append((column, f".{key[1]}"))
            if key[2]:
                text_of = column
    return found


def places(lines, where, done, path, old):
    """The numbers of the lines after `done` at which a hunk can begin."""
    return [i for i in range(done, len(lines) - len(old) + 1)
            if where[i] == path and lines[i:i + len(old)] == old]


def hunks(before, after):
    """The hunks that make the lines of one object those of another."""
    groups = []
    for tag, i, j, k, l in difflib.SequenceMatcher(None, before, after, False).get_opcodes():
        if tag == "equal":
            continue
        change = (i, j, after[k:l])
        if groups and i - groups[-1][-1][1] <= NEAR:
            groups[-1].append(change)
        else:
            groups.append([change])
    where, written, done = paths(before), [], 0
    for group in groups:
        # As many common lines around it as it takes to tell its place from others.
        first, last = group[0][0], group[-1][1]
        while first == last or len(places(before, where, done, where[first], before[first:last])) > 1:
            if first > done:
                first -= 1
            elif last < len(before):
                last += 1
            else:
                fail(f"golden.py cannot say where this changes:\n{before[0]}\n{group}")
        written.append("@@ " + where[first])
        for begin, end, new in group:
            written += [f" {line}" for line in before[first:begin]]
            written += [f"-{line}" for line in before[begin:end]] + [f"+{line}" for line in new]
            first = end
        written += [f" {line}" for line in before[first:last]]
        done = last
    return [line.rstrip(" ") for line in written]


def difference(name, before, after):
    """A .diff that makes the whole rendering NAME, `before`, that of `after`."""
    old, new = objects(before), objects(after)
    # Two releases may call the same object otherwise.
    titles = [[re.sub(r" (pipe-pcap-zmq-pipe|ids)\b", " ", title) for title, _ in part]
              for part in (old, new)]
    written = [f"from {name}"]
    for _, i, j, k, l in difflib.SequenceMatcher(None, *titles, False).get_opcodes():
        if titles[0][i:j] == titles[1][k:l]:
            for (title, text), (_, other) in zip(old[i:j], new[k:l]):
                if text != other:
                    written += [f"=== {title}", *hunks(text.splitlines(), other.splitlines())]
        else:
            place = f"before {old[i][0]}" if i < len(old) else "at the end"
            for _, text in new[k:l]:
                written += [f"=== new {place}", *(f"+{line}" for line in text.splitlines())]
            written += [f"=== {title}: none" for title, _ in old[i:j]]
    return "\n".join(written) + "\n"


class Misfit(Exception):
    """A .diff that does not go with the rendering that it changes."""


def changed(text, lines):
    """An object's text with the changes that these lines of a .diff have for it."""
    before = text.splitlines()
    where, after, done = paths(before), [], 0
    for hunk in re.split(r"^(?=@@)", "\n".join(lines), flags=re.MULTILINE)[1:]:
        path, *body = hunk.removesuffix("\n").split("\n")
        old = [line[1:] for line in body if not line.startswith("+")]
        found = places(before, where, done, path[3:], old)
        if len(found) != 1:
            raise Misfit(f"{len(found)} places fit this:\n{hunk}")
        after += before[done:found[0]] + [line[1:] for line in body if not line.startswith("-")]
        done = found[0] + len(old)
    return "".join(f"{line}\n" for line in after + before[done:])


def applied(file):
    """The whole rendering that a .diff stands for."""
    source, *parts = re.split(r"^=== ", file.read_text(), flags=re.MULTILINE)
    source = source.removeprefix("from ").strip()
    if source not in WHOLE:
        raise Misfit(f"it is from {source}, which is not whole")
    rest, after = objects(load(source)), []

    def pass_to(title):
        while rest and rest[0][0] != title:
            after.append(rest.pop(0)[1])
        if not rest:
            raise Misfit(f"there is no {title} in {source}, or not in this order")

    for part in parts:
        heading, *lines = part.removesuffix("\n").split("\n")
        if heading == "new at the end":
            after += [text for _, text in rest]
            rest.clear()
        else:
            pass_to(heading.removeprefix("new before ").removesuffix(": none"))
        if heading.startswith("new "):
            after.append("".join(f"{line[1:]}\n" for line in lines))
        elif heading.endswith(": none"):
            rest.pop(0)
        else:
            after.append(changed(rest.pop(0)[1], lines))
    return "".join(after + [text for _, text in rest])


def file_of(name):
    return FOLDER / (f"{name}.yaml" if name in WHOLE else f"{name}.diff")


def names():
    return sorted(file.stem for file in FOLDER.iterdir())


def load(name):
    """The whole rendering of a scenario."""
    file = file_of(name)
    if not file.exists():
        fail(f"golden/ has no {file.name} (UPDATE_GOLDEN=1 tests/deploy/helm/render_test.py writes it)")
    try:
        return file.read_text() if name in WHOLE else applied(file)
    except Misfit as misfit:
        return fail(f"golden/{file.name} (UPDATE_GOLDEN=1 writes it anew): {misfit}")


def store(rendered):
    """Writes golden/ anew; a .diff that still makes what is rendered stays as it is."""
    FOLDER.mkdir(exist_ok=True)
    for file in set(FOLDER.iterdir()) - {file_of(name) for name in rendered}:
        file.unlink()
    for name in WHOLE:
        file_of(name).write_text(rendered[name])
    for name in set(rendered) - set(WHOLE):
        file = file_of(name)
        try:
            if file.exists() and applied(file) == rendered[name]:
                continue
        except Misfit:
            pass
        texts = [difference(whole, rendered[whole], rendered[name]) for whole in WHOLE]
        file.write_text(min(texts, key=lambda text: text.count("\n")))
        if applied(file) != rendered[name]:
            fail(f"golden/{file.name} does not make what {name} renders: golden.py is wrong")


def main():
    for name in names():
        (pathlib.Path(sys.argv[1]) / f"{name}.yaml").write_text(load(name))


if __name__ == "__main__":
    main()
