"""One market's day as a picture: prices, spread and volume out of `traderv3 export`, gaps marked.

    traderv3 export sim --what bars --out bars.parquet
    traderv3 export sim --what gaps --out gaps.parquet
    python examples/plot_day.py bars.parquet --gaps gaps.parquet --ticker TICKER --out day.png

CSV does as well. A bar is one second in which something changed; between two of them the later price has not come yet,
so lines are steps. A red stripe is a gap: from when a loss was found until the books were whole again.
Needs matplotlib (and pyarrow for Parquet), and nothing of the trader: the exported files are the interface.
Units: prices and spread in dollars, volume in contracts, times in UTC. Floats only here, where prices become pixels.
"""

import argparse
import csv
import importlib
import itertools
import math
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

BUCKET = timedelta(minutes=1)  # of the volume

Row = dict[str, Any]


class Look(NamedTuple):
    """One bar, as far as it is drawn; NaN where a side was empty or the book not to be believed."""

    at: datetime
    bid: tuple[float, float, float]  # low, high, close
    ask: tuple[float, float, float]
    volume: float


def main() -> None:
    """Read, draw, save; whatever cannot be done ends with a sentence."""
    args = arguments()
    figures = needed("matplotlib.figure", "matplotlib")
    bars = sorted(of_market(read(args.bars), args.ticker), key=lambda row: moment(row["at"]))
    day = args.day or moment(bars[0]["at"]).date()
    looks = [look(row) for row in bars if moment(row["at"]).date() == day]
    if not looks:
        days = sorted({f"{moment(row['at']).date()}" for row in bars})
        sys.exit(f"plot_day: no bars on {day}; there are some on {', '.join(days[:10])}")
    spans = map(span, read(args.gaps)) if args.gaps else ()
    gaps = [(start, end) for start, end in spans if start.date() <= day <= end.date()]
    figure = draw(figures.Figure(figsize=(12, 7), layout="constrained"), f"{bars[0]['ticker']}, {day} UTC", looks, gaps)
    with needed("matplotlib", "matplotlib").rc_context({"svg.fonttype": "none"}):
        figure.savefig(args.out, dpi=120)
    print(f"{args.out}: {len(looks)} bars, {len(gaps)} gaps", file=sys.stderr)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bars", type=Path, help="what `traderv3 export --what bars` wrote, .csv or .parquet")
    parser.add_argument("--gaps", type=Path, help="what `traderv3 export --what gaps` wrote")
    parser.add_argument("--ticker", help="may be left out if the file is of one market")
    parser.add_argument(
        "--day", type=date.fromisoformat, metavar="YYYY-MM-DD", help="UTC; default: that of the first bar"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("day.png"), help="day.png; the ending decides: .png, .svg, .pdf"
    )
    return parser.parse_args()


# -- reading -----------------------------------------------------------------------------------------------------------


def needed(module: str, package: str) -> Any:
    """A module of an optional package, or a sentence and the end."""
    try:
        return importlib.import_module(module)
    except ImportError:
        sys.exit(f"plot_day: this needs the package {package} (pip install {package})")


def read(path: Path) -> list[Row]:
    """The rows of an exported file; a value that is missing is None or empty."""
    try:
        if path.suffix == ".parquet":
            table: list[Row] = needed("pyarrow.parquet", "pyarrow").read_table(path).to_pylist()
            return table
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as cause:
        sys.exit(f"plot_day: {path}: {cause.strerror or cause}")


def of_market(rows: list[Row], ticker: str | None) -> list[Row]:
    tickers = sorted({row["ticker"] for row in rows})
    wanted = ticker or (tickers[0] if len(tickers) == 1 else None)
    if wanted not in tickers:
        there = f"these markets are in it: {', '.join(tickers[:20])}" if tickers else "it has no bars"
        sys.exit(f"plot_day: {'name one with --ticker' if wanted is None else f'no bars of {wanted}'}; {there}")
    return [row for row in rows if row["ticker"] == wanted]


def look(row: Row) -> Look:
    bid, ask = (
        (number(row[f"{side}_low"]), number(row[f"{side}_high"]), number(row[f"{side}_close"]))
        for side in ("bid", "ask")
    )
    return Look(moment(row["at"]), bid, ask, number(row["volume"]))


def span(row: Row) -> tuple[datetime, datetime]:
    """From when a gap was found until it was repaired; one that never was is a moment."""
    start = moment(row["at"])
    return start, start + timedelta(milliseconds=int(row["stale_ms"] or 0))


def moment(value: str | datetime) -> datetime:
    return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromisoformat(value)


def number(value: Any) -> float:
    return math.nan if value is None or value == "" else float(value)


# -- drawing -----------------------------------------------------------------------------------------------------------


def draw(figure: Any, title: str, looks: list[Look], gaps: list[tuple[datetime, datetime]]) -> Any:
    """Prices, the spread and the volume, one above the other on one axis of time."""
    times = [each.at for each in looks]
    prices, spread, volume = figure.subplots(3, 1, sharex=True, height_ratios=(4, 1, 1))
    prices.set_title(title, loc="left")
    for name, colour, side in (("YES bid", "tab:blue", "bid"), ("YES ask", "tab:orange", "ask")):
        low, high, close = zip(*(getattr(each, side) for each in looks), strict=True)
        prices.step(times, close, where="post", color=colour, linewidth=1, label=name)
        prices.fill_between(times, low, high, step="post", color=colour, alpha=0.25, linewidth=0)
    widths = [each.ask[2] - each.bid[2] for each in looks]
    spread.step(times, widths, where="post", color="tab:gray", linewidth=1)
    starts, sums = zip(*by_bucket(looks), strict=True)
    volume.bar(starts, sums, width=BUCKET, align="edge", color="tab:green")
    for axes, label in ((prices, "dollars"), (spread, "spread"), (volume, f"contracts\nin {BUCKET.seconds} s")):
        axes.set_ylabel(label)
        axes.grid(visible=True, alpha=0.3)
        for count, (start, end) in enumerate(merged(gaps), 1):
            axes.axvspan(start, end, color="red", alpha=0.2, linewidth=0, zorder=0, gid=f"gap-{count}")
    prices.legend(loc="upper left")
    return figure


def merged(gaps: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The stretches of time that are in any gap, each a second at least, so that it is seen."""
    stretches: list[tuple[datetime, datetime]] = []
    for start, end in sorted(gaps):
        last = stretches[-1] if stretches else None
        seen = max(end, start + timedelta(seconds=1))
        if last is not None and start <= last[1]:
            stretches[-1] = (last[0], max(last[1], seen))
        else:
            stretches.append((start, seen))
    return stretches


def by_bucket(looks: Iterable[Look]) -> Iterator[tuple[datetime, float]]:
    """The volume of each stretch of `BUCKET`, those without a bar left out."""

    def start(each: Look) -> datetime:
        return each.at - (each.at - datetime.min.replace(tzinfo=UTC)) % BUCKET

    for at, group in itertools.groupby(looks, key=start):
        yield at, sum(each.volume for each in group)


if __name__ == "__main__":
    main()
