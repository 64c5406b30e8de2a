# SPDX-License-Identifier: MIT
"""Draws what a packet costs at 100,000 packets a second, as SVG for the documentation."""
from xml.sax.saxutils import escape

from compare_lib.contenders import EXPLAINED

WIDTH, LEFT, RIGHT, TOP = 860, 300, 90, 58
BAR, STEP, GAP = 18, 26, 40
# Readable on a light and on a dark page.
SENDER, RECEIVER, TEXT = "#3b82c4", "#d98a2b", "#7d8590"


def _text(x, y, words, size=13, anchor="start", weight="normal"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}" fill="{TEXT}">{escape(words)}</text>')


def _bar(x, y, width, colour):
    return f'<rect x="{x:.1f}" y="{y:.0f}" width="{max(width, 1):.1f}" height="{BAR}" fill="{colour}"/>'


def _row(name, row, y, scale):
    sender, receiver = row["sender_ns"] / 1e3, (row["receiver_ns"] or 0) / 1e3
    yield _text(LEFT - 10, y + 14, EXPLAINED[name].split(" -w")[0], anchor="end")
    yield _bar(LEFT, y, sender * scale, SENDER)
    yield _bar(LEFT + sender * scale, y, receiver * scale, RECEIVER)
    yield _text(LEFT + (sender + receiver) * scale + 6, y + 14,
                f"{sender:.2f} + {receiver:.2f}" if receiver else f"{sender:.2f}")


def draw(machine, summary):
    """The picture; cells of 100,000 packets a second, one block each."""
    cells = {name: rows for name, rows in summary.items() if name.endswith("100,000 pps") and rows}
    costs = [(row["sender_ns"] + (row["receiver_ns"] or 0)) / 1e3
             for rows in cells.values() for row in rows.values()]
    scale = (WIDTH - LEFT - RIGHT) / max(costs, default=1)
    parts = [_text(10, 22, "CPU time a packet in microseconds: sending side + receiving side", 15,
                   weight="bold"), _text(10, 42, f"medians; {machine}", 11)]
    y = TOP
    for name, rows in cells.items():
        y += GAP - BAR
        parts.append(_text(10, y, name, 13, weight="bold"))
        y += 8
        for contender, row in rows.items():
            parts.extend(_row(contender, row, y, scale))
            y += STEP
    parts.append(_bar(LEFT, y + 8, BAR, SENDER))
    parts.append(_text(LEFT + 26, y + 22, "sending side"))
    parts.append(_bar(LEFT + 140, y + 8, BAR, RECEIVER))
    parts.append(_text(LEFT + 166, y + 22, "receiving side"))
    height = y + 40
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" font-family="sans-serif" role="img">\n'
            "<title>CPU time a packet at 100,000 packets a second</title>\n" +
            "\n".join(parts) + "\n</svg>\n")


def write(path, machine, summary):
    with open(path, "w", encoding="utf-8") as output:
        output.write(draw(machine, summary))
