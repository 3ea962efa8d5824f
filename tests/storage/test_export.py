"""What leaves the database: exact, whole, in order, and only what was asked for."""

import argparse
import csv
import importlib
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.storage.making import AT_US, ONE_OF_EACH, stored, transition
from traderv3.domain.timestamps import parse_time
from traderv3.domain.units import Price, Qty, parse_price, parse_qty
from traderv3.storage import export_command
from traderv3.storage.database import CHUNK_ROWS, open_database
from traderv3.storage.export import SOURCES
from traderv3.storage.rows import AnyRow, BarRow, RunStartedRow, TradeRow, columns

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)


def write(url: str, *rows: AnyRow, run_id: str = "run") -> None:
    database = open_database(url, wall_us=lambda: AT_US)
    database.write(stored(*rows, run_id=run_id))
    database.close()


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    export_command.add_arguments(parser)
    return export_command.main(parser.parse_args([str(argument) for argument in arguments]))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def trades(count: int, seed: int = 1) -> list[TradeRow]:
    rng = random.Random(seed)
    return [
        TradeRow(
            at_us=AT_US + number // 3,
            trade_id=f"t{number}",
            ticker=rng.choice("ABC"),
            yes_price=Price(rng.randrange(1, 10_000)),
            count=Qty(rng.randrange(1, 10**9)),
            is_taker_yes=rng.random() < 0.5,
            is_block=False,
            received_us=AT_US + number,
        )
        for number in range(count)
    ]


def test_trades_make_the_round_trip_exactly_and_in_order(url: str, tmp_path: Path) -> None:
    rows = trades(2 * CHUNK_ROWS + 7)
    write(url, *rows)

    assert run(url, "--what", "trades", "--out", tmp_path / "t.csv") == 0

    found = table(tmp_path / "t.csv")
    assert len(found) == len(rows)
    for line, row in zip(found, rows, strict=True):
        assert (line["trade_id"], line["ticker"]) == (row.trade_id, row.ticker)
        assert parse_price(line["yes_price"]) == row.yes_price
        assert parse_qty(line["count"]) == row.count
        assert line["is_taker_yes"] == ("true" if row.is_taker_yes else "false")
        assert parse_time(line["at"], NOW) == row.at_us
        assert parse_time(line["received"], NOW) == row.received_us


def test_a_bar_as_it_stands_in_the_file(url: str, tmp_path: Path) -> None:
    write(url, *ONE_OF_EACH)

    run(url, "--what", "bars", "--out", tmp_path / "bars.csv")

    assert (tmp_path / "bars.csv").read_text().splitlines() == [
        "at,ticker,bid_open,bid_high,bid_low,bid_close,ask_open,ask_high,ask_low,ask_close,updates,trades,volume,run_id,seq",
        "2026-11-22T15:02:41.279123Z,A,0.4700,0.4801,0.4600,0.4800,,,,,7,1,2.50,run,7",
    ]


@pytest.mark.parametrize("what", SOURCES)
def test_everything_can_be_exported_and_has_a_line_for_each_row(url: str, tmp_path: Path, what: str) -> None:
    write(url, *ONE_OF_EACH)

    assert run(url, "--what", what, "--out", tmp_path / "out") == 0

    found = table(tmp_path / "out")
    assert len(found) == 1
    assert {"run_id", "seq"} < set(found[0])
    assert len(found[0]) == len(columns(SOURCES[what].kind)) + 2


def test_text_with_quotes_and_lines_survives(url: str, tmp_path: Path) -> None:
    write(url, *ONE_OF_EACH)

    run(url, "--what", "transitions", "--out", tmp_path / "out.csv")

    assert table(tmp_path / "out.csv")[0]["context"] == 'a "context" → with signs,\nand a line'


def test_only_the_time_and_markets_that_were_asked_for(url: str, tmp_path: Path) -> None:
    rows = trades(300)
    write(url, *rows)
    since, until = AT_US + 20, AT_US + 70

    run(url, "--what", "trades", "--out", tmp_path / "t.csv", "--ticker", "A,B", "--ticker", "none",
        "--since", _rfc3339(since), "--until", _rfc3339(until))  # fmt: skip

    expected = [row.trade_id for row in rows if row.ticker in "AB" and since <= row.at_us < until]
    assert [line["trade_id"] for line in table(tmp_path / "t.csv")] == expected


def _rfc3339(at_us: int) -> str:
    seconds, us = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{us:06d}Z"


def test_an_environment_means_its_own_database_and_its_own_runs(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("V3_DATABASE_URL", url)
    for run_id, environment in (("a", "sim"), ("b", "paper")):
        started = RunStartedRow(at_us=1, environment=environment, trader="here", version="1")
        write(url, started, transition(2), run_id=run_id)

    assert run("sim", "--what", "transitions", "--out", "t.csv") == 0
    assert run(url, "--what", "transitions", "--out", "all.csv") == 0

    assert [line["run_id"] for line in table(Path("t.csv"))] == ["a"]
    assert [line["run_id"] for line in table(Path("all.csv"))] == ["a", "b"]


def test_without_a_url_it_is_the_file_in_the_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("V3_DATABASE_URL", raising=False)
    monkeypatch.setenv("V3_DATA_DIR", "kept")

    assert export_command.find_database("sim") == ("sim", f"sqlite:///{tmp_path / 'kept' / 'sim.db'}")


def test_parquet_makes_the_round_trip_exactly(url: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the optional package pyarrow is not installed")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    rows = trades(CHUNK_ROWS + 3)
    write(url, *rows)

    assert run(url, "--what", "trades", "--out", tmp_path / "t.parquet") == 0

    found = parquet.read_table(tmp_path / "t.parquet")
    types = {field.name: str(field.type) for field in found.schema}
    assert (types["yes_price"], types["count"], types["at"]) == (
        "decimal128(19, 4)",
        "decimal128(19, 2)",
        "timestamp[us, tz=UTC]",
    )
    lines = found.to_pylist()
    assert [line["yes_price"] for line in lines] == [Decimal(row.yes_price) / 10_000 for row in rows]
    assert [line["count"] for line in lines] == [Decimal(row.count) / 100 for row in rows]
    assert [line["is_taker_yes"] for line in lines] == [row.is_taker_yes for row in rows]


def test_parquet_keeps_what_is_missing_as_missing(url: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the optional package pyarrow is not installed")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    bar = next(row for row in ONE_OF_EACH if isinstance(row, BarRow))
    write(url, bar, msgspec.structs.replace(bar, at_us=AT_US + 1, ask_open=Price(1)))

    run(url, "--what", "bars", "--format", "parquet", "--out", tmp_path / "bars")

    assert parquet.read_table(tmp_path / "bars").column("ask_open").to_pylist() == [None, Decimal("0.0001")]


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    write(url, transition(1))
    find = importlib.import_module

    def absent(name: str) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return find(name)

    monkeypatch.setattr(importlib, "import_module", absent)

    assert run(url, "--what", "transitions", "--format", "parquet", "--out", tmp_path / "t") == 2
    assert "needs the package pyarrow" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere", "--what", "bars"], 2, "nowhere"),
        (["mysql://x", "--what", "bars"], 2, "neither sqlite"),
        (["sqlite:///absent.db", "--what", "bars"], 1, "there is no absent.db"),
        (["sqlite:///absent.db", "--what", "bars", "--since", "soon"], 2, "'soon' is neither"),
        (["sqlite:///absent.db", "--what", "gaps", "--ticker", "A"], 2, "not of one market"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_file(
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(*arguments, "--out", "out.csv") == code
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    write(url, transition(1))
    out = tmp_path / "t.csv"
    out.write_text("of yesterday")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("traderv3.storage.export._write_csv", full)

    assert run(url, "--what", "transitions", "--out", out) == 1
    assert out.read_text() == "of yesterday"
    assert sorted(path.name for path in tmp_path.glob("t.csv*")) == ["t.csv"]


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    write(url, transition(1))

    assert run(url, "--what", "transitions", "--out", "/dev/null") == 0
    assert not Path("/dev/null").is_file()
