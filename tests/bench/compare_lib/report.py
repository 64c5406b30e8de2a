# SPDX-License-Identifier: MIT
"""The figures as a table, as JSON, and next to what the project sets itself."""
import json
import statistics

CODEC_SPEED = 0.85

FIGURES = ("offered_pps", "delivered_pps", "delivered_bps", "loss", "start_ns", "sender_ns",
           "receiver_ns", "sender_core", "receiver_core", "sender_rss", "receiver_rss")


def median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def summarise(results):
    """Medians of the rounds: {cell: {contender: {figure: value}}}."""
    summary = {}
    for cell, contenders in results.items():
        rows = summary.setdefault(cell, {})
        for name, runs in contenders.items():
            row = {figure: median(getattr(run, figure) for run in runs) for figure in FIGURES}
            for key in ("p50", "p99", "max"):
                row[key] = median(run.latency_ns and run.latency_ns[key] for run in runs)
            row["rounds"] = len(runs)
            row["to_bare"] = ratio(contenders, name, "bare", both_sides)
            row["start_to_bare"] = ratio(contenders, name, "bare", start)
            row["to_tcpdump"] = ratio(contenders, name, "tcpdump", both_sides)
            rows[name] = row
    return summary


def start(run):
    return run.start_ns


def sender(run):
    return run.sender_ns


def receiver(run):
    return run.receiver_ns


def both_sides(run):
    return None if run.receiver_ns is None else run.sender_ns + run.receiver_ns


# What is told of two contenders of a cell beside the goals, and whose CPU.
PAIRS = (("two pumps to one", "two-pumps", "one-pump", sender),
         ("encrypted to plain", "pipe-curve", "pipe", both_sides))


def ratio(contenders, name, other, cost):
    """Median over the rounds of one contender's cost over another's in the same round."""
    pairs = zip(contenders.get(name, ()), contenders.get(other, ()))
    return median(cost(a) / cost(b) for a, b in pairs
                  if cost(a) is not None and cost(b))


def _number(value, scale=1.0, digits=2):
    return "" if value is None else f"{value / scale:,.{digits}f}"


COLUMNS = (
    ("", lambda name, row: name),
    ("offered/s", lambda name, row: _number(row["offered_pps"], digits=0)),
    ("delivered/s", lambda name, row: _number(row["delivered_pps"], digits=0)),
    ("MiB/s", lambda name, row: _number(row["delivered_bps"], 1 << 20, 0)),
    ("loss %", lambda name, row: _number(row["loss"], 0.01)),
    ("1st second us", lambda name, row: _number(row["start_ns"], 1e3)),
    ("1st second to bare", lambda name, row: _number(row["start_to_bare"])),
    ("sender us", lambda name, row: _number(row["sender_ns"], 1e3)),
    ("receiver us", lambda name, row: _number(row["receiver_ns"], 1e3)),
    ("to bare", lambda name, row: _number(row["to_bare"])),
    ("to tcpdump", lambda name, row: _number(row["to_tcpdump"])),
    ("sender core %", lambda name, row: _number(row["sender_core"], digits=1)),
    ("receiver core %", lambda name, row: _number(row["receiver_core"], digits=1)),
    ("p50 ms", lambda name, row: _number(row["p50"], 1e6)),
    ("p99 ms", lambda name, row: _number(row["p99"], 1e6)),
    ("max ms", lambda name, row: _number(row["max"], 1e6)),
    ("sender MiB", lambda name, row: _number(row["sender_rss"], 1 << 20, 0)),
    ("receiver MiB", lambda name, row: _number(row["receiver_rss"], 1 << 20, 0)),
)


def table(cell, rows):
    """The cell's table in Markdown."""
    lines = [[title for title, _ in COLUMNS]]
    lines += [[text(name, row) for _, text in COLUMNS] for name, row in rows.items()]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    lines.insert(1, ["-" * width for width in widths])
    body = "\n".join("| " + " | ".join(text.rjust(width) for text, width in zip(line, widths)) +
                     " |" for line in lines)
    return f"{cell}\n\n{body}\n"


def write_json(path, machine, summary, results, codecs):
    runs = {cell: {name: [vars(run) for run in rows] for name, rows in contenders.items()}
            for cell, contenders in results.items()}
    with open(path, "w", encoding="utf-8") as output:
        json.dump({"machine": machine, "medians": summary, "codecs": codecs, "runs": runs}, output,
                  indent=1)
        output.write("\n")


def _above(contenders, name, other, key):
    """Median over the rounds of the difference of two latencies, in milliseconds."""
    pairs = zip(contenders.get(name, ()), contenders.get(other, ()))
    return median((a.latency_ns[key] - b.latency_ns[key]) / 1e6 for a, b in pairs)


def goals(results):
    """Yields (what, measured, limit) for what was run; values are to be at most the limit."""
    for size in (128, 1_400):
        where = f"{size:,} B, 100,000 pps"
        cell = results.get(where, {})
        yield f"sender CPU to bare, {where}", ratio(cell, "pipe", "bare", sender), 1.3
        yield (f"sender CPU to bare in the first second, {where}",
               ratio(cell, "pipe", "bare", start), 1.5)
        yield f"receiver CPU to bare, {where}", ratio(cell, "pipe", "bare", receiver), 1.35
        yield (f"both sides to tcpdump and nc, {where}",
               ratio(cell, "pipe", "tcpdump", both_sides), 0.5)
    cell = results.get("128 B, 20,000 pps", {})
    yield ("sender CPU to bare with threshold 1, 128 B at 20,000 pps",
           ratio(cell, "pipe", "bare-1", sender), 0.2)
    for rate in ("20", "1,000"):
        cell = results.get(f"128 B, {rate} pps", {})
        yield (f"p50 to bare with threshold 1, {rate} pps",
               ratio(cell, "pipe", "bare-1", lambda run: run.latency_ns["p50"]), 1.4)
    for rate in ("20,000", "100,000"):
        cell = results.get(f"128 B, {rate} pps", {})
        yield f"p50 above bare, {rate} pps, ms", _above(cell, "pipe", "bare", "p50"), 1.5
        yield (f"p99, {rate} pps, ms",
               median(run.latency_ns["p99"] / 1e6 for run in cell.get("pipe", ())), 15.0)


def goal_lines(results, codecs):
    for what, measured, limit in goals(results):
        if measured is not None:
            verdict = "within" if measured <= limit else "above"
            yield f"{what}: {measured:.2f}, {verdict} {limit}"
    for codec in codecs:
        verdict = "within" if codec["speed_ratio"] >= CODEC_SPEED else "below"
        yield (f"{codec['codec']} speed to the bare library: {codec['speed_ratio']:.2f}, {verdict} "
               f"{CODEC_SPEED} ({codec['mib_per_s']:,.0f} MiB/s); bytes {codec['bytes']:,} of "
               f"{codec['raw_bytes']:,}, bare {codec['bare_bytes']:,}")
    for what, name, other, cost in PAIRS:
        for cell, runs in results.items():
            delivered = ratio(runs, name, other, lambda run: run.delivered_pps)
            if delivered is not None:
                yield (f"{what}, {cell}: {delivered:.2f} delivered, "
                       f"{ratio(runs, name, other, cost):.2f} CPU a packet")
