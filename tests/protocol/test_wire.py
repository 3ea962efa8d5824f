"""The venue's messages: each known type decodes, numbers are exact or refused, nothing missing gets a default."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.units import DOLLAR, UnitError
from traderv3.protocol import wire

EXAMPLES: Final = Path(__file__).resolve().parents[3] / "shared" / "kalshi-spec" / "ws-examples.json"

SNAPSHOT: Final[dict[str, Any]] = {
    "type": "orderbook_snapshot",
    "sid": 1,
    "seq": 1,
    "msg": {"market_ticker": "M", "yes_dollars_fp": [["0.4500", "120.00"]], "no_dollars_fp": [["0.5000", "0.50"]]},
}
DELTA: Final[dict[str, Any]] = {
    "type": "orderbook_delta",
    "sid": 1,
    "seq": 2,
    "msg": {"market_ticker": "M", "price_dollars": "0.4700", "delta_fp": "-1.50", "side": "yes"},
}


def decode(message: dict[str, Any]) -> wire.Frame:
    frame: wire.Frame = wire.FRAME.decode(json.dumps(message).encode())
    return frame


def without(message: dict[str, Any], *path: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(message))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return changed


def with_value(message: dict[str, Any], value: object, *path: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(message))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def examples() -> list[dict[str, Any]]:
    if not EXAMPLES.is_file():
        pytest.skip("the venue's own examples (../shared/kalshi-spec/ws-examples.json) are not on this machine")
    found: list[dict[str, Any]] = json.loads(EXAMPLES.read_text())
    return found


def test_each_of_the_venues_examples_decodes() -> None:
    messages = [entry["example"] for entry in examples() if entry["kind"] == "schema"]
    known = [message for message in messages if message["type"] in wire.KNOWN_TYPES]

    assert {message["type"] for message in known} == wire.KNOWN_TYPES
    for message in known:
        frame = decode(message)

        assert frame.__struct_config__.tag == message["type"]
    for message in messages:
        header = wire.HEADER.decode(json.dumps(message).encode())

        assert (header.type, header.sid, header.seq) == (message["type"], message.get("sid"), message.get("seq"))


def test_the_commands_are_those_of_the_venues_examples() -> None:
    subscribe, _, get_snapshot = (entry["example"] for entry in examples() if entry["kind"] == "cmd")
    subscribe["params"]["channels"] = [wire.BOOK_CHANNEL]

    assert json.loads(wire.subscribe(1, subscribe["params"]["market_tickers"])) == subscribe
    assert json.loads(wire.update(7, 1, "get_snapshot", get_snapshot["params"]["market_tickers"])) == get_snapshot


def test_prices_of_no_are_always_asked_for_on_their_own_scale() -> None:
    assert json.loads(wire.subscribe(1, ["M"]))["params"]["use_yes_price"] is False


def test_an_empty_side_may_be_missing_and_nothing_else() -> None:
    empty = decode(without(without(SNAPSHOT, "msg", "yes_dollars_fp"), "msg", "no_dollars_fp"))

    assert isinstance(empty, wire.Snapshot)
    assert (empty.msg.yes_dollars_fp, empty.msg.no_dollars_fp) == ([], [])


@pytest.mark.parametrize(
    "broken",
    [
        *(without(DELTA, *path) for path in [("sid",), ("seq",), ("msg",)]),
        *(without(DELTA, "msg", field) for field in DELTA["msg"]),
        *(without(SNAPSHOT, *path) for path in [("sid",), ("seq",), ("msg",), ("msg", "market_ticker")]),
        with_value(DELTA, 0.47, "msg", "price_dollars"),
        with_value(DELTA, -1.5, "msg", "delta_fp"),
        with_value(DELTA, None, "msg", "delta_fp"),
        with_value(DELTA, "maybe", "msg", "side"),
        with_value(DELTA, "2", "seq"),
        with_value(DELTA, 2.5, "seq"),
        with_value(SNAPSHOT, [["0.4500"]], "msg", "yes_dollars_fp"),
        with_value(SNAPSHOT, [["0.4500", 120]], "msg", "yes_dollars_fp"),
        with_value(SNAPSHOT, [["0.4500", "1.00", "2.00"]], "msg", "yes_dollars_fp"),
        with_value(SNAPSHOT, None, "msg", "yes_dollars_fp"),
    ],
)
def test_what_is_missing_or_mistyped_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(broken)


def test_what_the_venue_invents_next_is_passed_over() -> None:
    frame = decode(with_value(with_value(DELTA, {"deep": [1]}, "brand_new"), "x", "msg", "brand_new"))

    assert isinstance(frame, wire.Delta)


@given(st.from_regex(r"[0-9]\.[0-9]{1,6}", fullmatch=True))
def test_a_book_price_is_exact_and_inside_the_dollar_or_refused(text: str) -> None:
    scaled = Decimal(text) * 10_000
    is_good = scaled == int(scaled) and 0 < scaled < DOLLAR
    try:
        price = wire.PRICES[text]
    except UnitError:
        assert not is_good
    else:
        assert is_good
        assert price == scaled


@given(st.from_regex(r"-?[0-9]{1,9}(\.[0-9]{1,4})?", fullmatch=True))
def test_a_count_is_exact_or_refused(text: str) -> None:
    scaled = Decimal(text) * 100
    try:
        count = wire.COUNTS[text]
    except UnitError:
        assert scaled != int(scaled)
    else:
        assert count == scaled


@pytest.mark.parametrize("price", ["0.0000", "1.0000", "-0.5000", "0.00005", "47", "", "NaN"])
def test_a_level_that_cannot_stand_on_a_book_is_refused(price: str) -> None:
    with pytest.raises(UnitError):
        wire.levels([(price, "1.00")])


def test_one_price_printed_twice_on_a_side_is_refused() -> None:
    with pytest.raises(UnitError):
        wire.levels([("0.4500", "1.00"), ("0.45", "2.00")])


def test_the_memory_of_numbers_is_bounded() -> None:
    remembered = wire._Exact(int, 100)
    for number in range(1000):
        remembered[str(number)]

    assert len(remembered) <= 100


def test_a_number_of_absurd_length_is_not_remembered() -> None:
    text = "0.5" + "0" * 10_000

    assert wire.PRICES[text] == 5000
    assert text not in wire.PRICES


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=5), st.integers(1, 10**6), st.integers(1, 99))
def test_commands_are_json_that_names_exactly_these_markets(tickers: list[str], command_id: int, sid: int) -> None:
    commands = [
        wire.subscribe(command_id, tickers),
        wire.update(command_id, sid, "add_markets", tickers),
        wire.update(command_id, sid, "get_snapshot", tickers),
    ]
    read = [json.loads(command) for command in commands]

    assert all(command["id"] == command_id for command in read)
    assert all(command["params"]["market_tickers"] == tickers for command in read)
    assert [command["params"].get("sids") for command in read] == [None, [sid], [sid]]
