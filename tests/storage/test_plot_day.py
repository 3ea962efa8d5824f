"""The example that draws a market's day, on what the export command writes."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.making import AT_US
from tests.storage.test_export import run, write
from traderv3.domain.units import Price, Qty
from traderv3.storage.rows import AnyRow, BarRow, GapRow

PROGRAM = Path(__file__).resolve().parent.parent.parent / "examples" / "plot_day.py"
SECOND_US = 10**6


def bars(ticker: str, count: int) -> list[BarRow]:
    rng = random.Random(1)
    made = []
    for second in range(0, count * 7, 7):
        bid = Price(4_000 + rng.randrange(500))
        ask = Price(bid + 100) if rng.random() < 0.9 else None  # a side may be empty
        made.append(
            BarRow(
                at_us=AT_US // SECOND_US * SECOND_US + second * SECOND_US,
                ticker=ticker,
                bid_open=bid,
                bid_high=Price(bid + 10),
                bid_low=Price(bid - 10),
                bid_close=bid,
                ask_open=ask,
                ask_high=ask,
                ask_low=ask,
                ask_close=ask,
                updates=3,
                trades=1,
                volume=Qty(rng.randrange(10_000)),
            )
        )
    return made


def gap(after_s: int, stale_ms: int | None) -> GapRow:
    at_us = AT_US + after_s * SECOND_US
    how = "snapshot" if stale_ms else None
    return GapRow(at_us=at_us, connection="one", what="gap", missing=1, books=1, how=how, stale_ms=stale_ms)


def exported(folder: Path, form: str) -> tuple[Path, Path]:
    url = f"sqlite:///{folder / 'a.db'}"
    rows: list[AnyRow] = [*bars("A", 300), *bars("B", 5), gap(100, 2_500), gap(900, None)]
    write(url, *rows)
    paths = folder / f"bars.{form}", folder / f"gaps.{form}"
    assert [run(url, "--what", path.stem, "--out", path) for path in paths] == [0, 0]
    return paths


def plot(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.process
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_day_becomes_a_picture_with_its_gaps_marked(tmp_path: Path, form: str) -> None:
    made, gaps = exported(tmp_path, form)
    done = plot(made, "--gaps", gaps, "--ticker", "A", "--out", tmp_path / "day.svg")
    assert done.returncode == 0, done.stderr
    picture = (tmp_path / "day.svg").read_text()

    assert "300 bars, 2 gaps" in done.stderr
    assert "A, 2026-11-22 UTC" in picture
    assert {f'id="gap-{number}"' in picture for number in (1, 2)} == {True}
    assert 'id="gap-3"' not in picture


@pytest.mark.process
def test_the_ending_of_the_file_decides_the_format(tmp_path: Path) -> None:
    made, _ = exported(tmp_path, "csv")
    done = plot(made, "--ticker", "B", "--out", tmp_path / "day.png")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.process
def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    made, _ = exported(tmp_path, "csv")
    said: dict[str, list[object]] = {
        "name one with --ticker; these markets are in it: A, B": [made],
        "no bars of C; these markets are in it: A, B": [made, "--ticker", "C"],
        "no bars on 2026-11-23; there are some on 2026-11-22": [made, "--ticker", "A", "--day", "2026-11-23"],
        "No such file or directory": [tmp_path / "nothing.csv"],
    }
    for sentence, arguments in said.items():
        done = plot(*arguments, "--out", tmp_path / "day.png")

        assert sentence in done.stderr
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)


@pytest.mark.process
@pytest.mark.parametrize("package", ["matplotlib", "pyarrow"])
def test_an_optional_package_that_is_missing_is_named(
    tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = exported(tmp_path, "parquet")
    without = tmp_path / "without" / package
    without.mkdir(parents=True)
    (without / "__init__.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(without.parent), prepend=os.pathsep)
    done = plot(made, "--ticker", "A", "--out", tmp_path / "day.png")

    assert done.returncode == 1
    assert f"this needs the package {package} (pip install {package})" in done.stderr
