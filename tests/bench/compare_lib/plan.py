# SPDX-License-Identifier: MIT
"""What is run: cells of a packet size and a rate, each with its contenders side by side."""
from dataclasses import dataclass, replace

START_AND_END = 3.4  # seconds of a run beside its window

SIZES = (64, 128, 512, 1_400, 65_000)
RATES = (20, 1_000, 20_000, 100_000, 0)


@dataclass(frozen=True)
class Cell:
    """Contenders that take turns under the same load."""
    size: int            # of the IP packet, bytes
    rate: int            # packets a second; 0: as fast as the load generator can
    contenders: tuple
    rounds: int
    window: float        # seconds

    @property
    def name(self):
        return f"{self.size:,} B, " + (f"{self.rate:,} pps" if self.rate else "flat out")


CELLS = (
    Cell(128, 20, ("bare-1", "pipe"), 3, 3.0),
    Cell(128, 1_000, ("bare-1", "pipe"), 5, 1.0),
    Cell(128, 20_000, ("bare", "bare-1", "pipe"), 5, 1.0),
    Cell(128, 100_000, ("null", "bare", "pipe", "pipe-curve", "tcpdump"), 5, 1.0),
    Cell(1_400, 100_000, ("null", "bare", "pipe", "pipe-curve", "tcpdump"), 5, 1.0),
    Cell(1_400, 20_000, ("bare", "pipe", "pipe-zlib", "pipe-zstd"), 1, 1.0),
    Cell(64, 0, ("bare", "pipe"), 1, 1.0),
    Cell(512, 0, ("bare", "pipe"), 1, 1.0),
    Cell(1_400, 0, ("bare", "pipe", "pipe-curve"), 1, 1.0),
    Cell(65_000, 0, ("bare", "pipe", "pipe-curve"), 1, 1.0),
)

QUICK = (Cell(128, 20_000, ("bare", "pipe", "pipe-curve"), 1, 0.5),)

PUMPS = (Cell(128, 0, ("one-pump", "two-pumps"), 5, 2.0),)


def full_plan():
    """Every size at every rate, with everybody."""
    everybody = ("null", "bare", "bare-1", "pipe", "pipe-curve", "pipe-zlib", "pipe-zstd",
                 "tcpdump")
    return tuple(Cell(size, rate, everybody, 3, 3.0 if rate == 20 else 1.0)
                 for size in SIZES for rate in RATES)


def only(cells, text, names, rounds, window):
    """What is left of the cells once the options have been applied."""
    left = []
    for cell in cells:
        contenders = tuple(name for name in cell.contenders if names is None or name in names)
        if contenders and (text is None or text in cell.name):
            left.append(replace(cell, contenders=contenders, rounds=rounds or cell.rounds,
                                window=window or cell.window))
    return tuple(left)


def estimate(cells):
    """Seconds that the cells take, about."""
    return sum(cell.rounds * len(cell.contenders) * (cell.window + START_AND_END)
               for cell in cells)
