"""The plot of docs/performance.md: what each candidate needs for one message, on one logarithmic scale."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.rounds import Result, number

OURS: Final = "#0b6e4f"
LIMIT: Final = "#9aa0a6"
OTHERS: Final = "#4a6fa5"
COURSE: Final = "50 markets: "


def draw(result: Result, path: Path) -> None:
    """One bar a candidate of the feed's first course, the fastest first."""
    mpl.use("svg")
    plt.rcParams.update({"svg.hashsalt": "traderv3", "svg.fonttype": "none", "font.size": 10})
    rows = [
        (figure.name.removeprefix(COURSE), figure.value)
        for figure in result.figures
        if figure.name.startswith(COURSE) and figure.unit == "us a message"
    ]
    rows.sort(key=lambda row: row[1].median, reverse=True)
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(rows) + 1.2))
    colours = [LIMIT if name == "raw socket" else OURS if name.startswith("ours") else OTHERS for name, _ in rows]
    medians = [value.median for _, value in rows]
    low = [value.median - value.low for _, value in rows]
    high = [value.high - value.median for _, value in rows]
    bars = axes.barh([name for name, _ in rows], medians, color=colours, height=0.62)
    axes.errorbar(medians, range(len(rows)), xerr=[low, high], fmt="none", ecolor="#20242a", elinewidth=1, capsize=2)
    axes.bar_label(bars, [f"{number(value)} µs" for value in medians], padding=18)
    axes.set_xscale("log")
    axes.set_xlim(right=max(medians) * 3)
    axes.set_xlabel("µs a message, socket to best bid and ask; median, least and most of the rounds (logarithmic)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
