"""REST answers: exact facts or a refusal, the three error shapes, and no body whatever breaks a reader."""

import io
import json
import tarfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.clients.http_venue import market
from traderv3.domain.errors import RemoteProtocolError
from traderv3.domain.fees import FeeSchedule
from traderv3.domain.units import Qty
from traderv3.protocol.rest import (
    ListedMarket,
    error_text,
    parse_time,
    read_book,
    read_books,
    read_event,
    read_market,
    read_markets,
    read_series,
    read_status,
)
from traderv3.protocol.rest_account import read_account_limits, read_costs, read_fills, read_order, read_orders
from traderv3.protocol.rest_holdings import read_balance, read_holdings, read_settlements
from traderv3.protocol.schedule import read_schedule

READERS: list[Callable[[bytes], Any]] = [
    read_account_limits,
    read_balance,
    read_book,
    read_books,
    read_costs,
    read_event,
    read_fills,
    read_holdings,
    read_market,
    read_markets,
    read_order,
    read_orders,
    read_schedule,
    read_series,
    read_settlements,
    read_status,
]


def as_json(body: object) -> bytes:
    return json.dumps(body).encode()


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"error": {"code": "authentication_error", "message": "authentication_error", "details": "NOT_FOUND"}},
            ("authentication_error", "authentication_error NOT_FOUND"),
        ),
        ({"code": "invalid_content_type", "message": "invalid"}, ("invalid_content_type", "invalid")),
        ({"error": "too many requests"}, (None, "too many requests")),
        ({"error": {"code": "header_timestamp_expired"}}, ("header_timestamp_expired", "header_timestamp_expired")),
        ({"msg": "no"}, (None, "no")),
        ({}, (None, "no reason given")),
    ],
)
def test_each_shape_becomes_a_code_and_a_sentence(body: object, expected: tuple[str | None, str]) -> None:
    assert error_text(as_json(body)) == expected


def test_a_page_of_html_is_quoted_at_its_beginning() -> None:
    assert error_text(b"<html>Forbidden</html>\n" + b"x" * 10_000)[1].startswith("<html>Forbidden</html>")
    assert len(error_text(b"x" * 10_000)[1]) == 200


def test_an_empty_body_gives_no_reason() -> None:
    assert error_text(b"") == (None, "no reason given")


@given(st.binary(max_size=60) | st.from_regex(rb'\{"(error|message|code)":("[^"]*"|[0-9{}\[\]nul]*)\}', fullmatch=True))
def test_no_error_body_whatever_raises(body: bytes) -> None:
    _, sentence = error_text(body)

    assert sentence


@pytest.mark.parametrize("body", [b'{"a":' + b"[" * 100_000, b'{"message":"\xff"}', b"\xff", b'{"message":"\\ud800"}'])
def test_nesting_and_broken_text_do_not_raise(body: bytes) -> None:
    assert error_text(body)[0] is None


# -- markets -------------------------------------------------------------------------------------------------------


def test_a_market_is_read_exactly() -> None:
    ranges = [
        {"start": "0.1000", "end": "1.0000", "step": "0.0100"},
        {"start": "0.0000", "end": "0.1000", "step": "0.0010"},
    ]
    body = market(
        "KX-1",
        "KX",
        volume="394.20",
        interest="303.46",
        price_ranges=ranges,
        close_time="2026-12-31T15:00:00.5Z",
        fee_waiver_expiration_time="2026-12-01T00:00:00Z",
        settlement_value_dollars="0.5000",
        exchange_index=2,
        never_heard_of={"a": 1},
    )
    read = read_market(as_json({"market": body}))

    assert (read.ticker, read.event_ticker, read.title, read.status) == ("KX-1", "KX", "Outcome KX-1", "active")
    assert (read.last_price, read.volume, read.open_interest, read.notional) == (4700, 39420, 30346, 1_000_000)
    assert read.grid.bands == ((0, 1000, 10), (1000, 10_000, 100))
    assert read.close_us == parse_time("2026-12-31T15:00:00Z") + 500_000
    assert (read.fee_waiver_ends_us, read.settlement_value) == (parse_time("2026-12-01T00:00:00Z"), 5000)
    assert (read.exchange_index, read.settlement_timer_s, read.can_close_early) == (2, 60, False)


def test_a_market_of_an_unknown_status_and_structure_is_a_market() -> None:
    body = market("M", status="amended_again", price_level_structure="", price_ranges=[], result="maybe")
    read = read_market(as_json({"market": body}))

    assert (read.status, read.result, read.grid.ladder()) == ("amended_again", "maybe", ())


NEEDED = [
    *(
        "price_ranges",
        "open_time",
        "close_time",
        "latest_expiration_time",
        "settlement_timer_seconds",
        "status",
        "result",
    ),
    *("last_price_dollars", "volume_fp", "volume_24h_fp", "open_interest_fp", "notional_value_dollars"),
]


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("wrong", ["missing", None, 0.47, "much"])
def test_what_a_trade_depends_on_is_never_made_up(name: str, wrong: object) -> None:
    body = market("M")
    body[name] = wrong
    if wrong == "missing":
        del body[name]
    if (name, wrong) in (("status", "much"), ("result", "much")):
        return  # open enums

    with pytest.raises(RemoteProtocolError):
        read_market(as_json({"market": body}))


@pytest.mark.parametrize(
    "step", ["0.00001", "0", "-0.0100", "1e-2"], ids=["finer than we count", "none", "negative", "float"]
)
def test_a_grid_that_is_none_is_refused(step: str) -> None:
    body = market("M", price_ranges=[{"start": "0.0000", "end": "1.0000", "step": step}])

    with pytest.raises(RemoteProtocolError):
        read_market(as_json({"market": body}))


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-07-04T04:00:51.429792Z", 1_783_137_651_429_792),
        ("2026-07-04T04:00:51.73003Z", 1_783_137_651_730_030),
        ("2026-07-04T00:00:51-04:00", 1_783_137_651_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_times_are_exact(text: str, expected_us: int) -> None:
    assert parse_time(text) == expected_us


@pytest.mark.parametrize("text", ["", "soon", "2026-07-04", "2026-07-04T04:00:51", "1783137651"])
def test_times_without_an_offset_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|offset"):
        parse_time(text)


# -- the exchange --------------------------------------------------------------------------------------------------


def test_a_status_has_its_shards_and_when_it_is_back() -> None:
    shard = {"exchange_index": 2, "exchange_active": True, "trading_active": False, "description": "crypto"}
    body = {"exchange_active": False, "trading_active": False, "exchange_estimated_resume_time": "2026-11-26T10:00:00Z"}
    status = read_status(as_json({**body, "exchange_index_statuses": [shard]}))

    assert status.resume_us == parse_time("2026-11-26T10:00:00Z")
    assert not status.exchange_index_statuses[0].trading_active


@pytest.mark.parametrize("estimate", [None, "", "later"])
def test_an_estimate_that_cannot_be_read_is_none(estimate: str | None) -> None:
    body = {"exchange_active": True, "trading_active": True, "exchange_estimated_resume_time": estimate}

    assert read_status(as_json(body)).resume_us is None


# -- books ---------------------------------------------------------------------------------------------------------


def test_an_empty_side_may_be_null() -> None:
    book = read_book(as_json({"orderbook_fp": {"yes_dollars": None, "no_dollars": [["0.0100", "0.50"]]}}))

    assert (book.yes, book.no) == ({}, {100: 50})


@pytest.mark.parametrize(
    "levels",
    [
        [["0.4500", "0.00"]],
        [["0.4500", "-1.00"]],
        [["0.0000", "1.00"]],
        [["1.0000", "1.00"]],
        [["0.4500", "1.00"], ["0.45", "2.00"]],
        [["0.4500"]],
        [[0.45, 1]],
        [["0.45005", "1.00"]],
    ],
)
def test_a_book_that_cannot_be_is_refused(levels: list[Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        read_book(as_json({"orderbook_fp": {"yes_dollars": levels, "no_dollars": []}}))


# -- events and series ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("multiplier", "expected"),
    [(b"1", Fraction(1)), (b"0.5", Fraction(1, 2)), (b"0.1", Fraction(1, 10)), (b"0", Fraction(0))],
)
def test_a_series_has_its_fees_exactly(multiplier: bytes, expected: Fraction) -> None:
    body = b'{"series":{"ticker":"S","title":"T","fee_type":"flat","fee_multiplier":%b,"tags":null}}' % multiplier

    assert read_series(body).fees == FeeSchedule("flat", expected)


@pytest.mark.parametrize("multiplier", [b"-1", b"null", b"1e999999", b"0." + b"1" * 5000, b'"x"'])
def test_a_multiplier_that_is_none_is_refused(multiplier: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_series(b'{"series":{"ticker":"S","title":"T","fee_type":"flat","fee_multiplier":%b}}' % multiplier)


def test_an_event_overrides_its_series_fees_or_does_not() -> None:
    event = {"event_ticker": "E", "series_ticker": "S", "title": "T", "mutually_exclusive": True}
    plain = read_event(as_json({"event": event, "markets": []}))
    own = read_event(as_json({"event": {**event, "fee_type_override": "quadratic", "fee_multiplier_override": 0.5}}))

    assert (plain.fees, plain.is_mutually_exclusive) == (None, True)
    assert own.fees == FeeSchedule("quadratic", Fraction(1, 2))
    with pytest.raises(RemoteProtocolError, match="half a fee override"):
        read_event(as_json({"event": {**event, "fee_type_override": "quadratic"}}))


# -- all of them ---------------------------------------------------------------------------------------------------

HOSTILE = [b"", b"null", b"[]", b"{", b'{"a":' + b"[" * 100_000, b'{"\xff":1}', b'"\\ud800"', b"1" * 10_000]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_answer_is_the_venues_fault(read: Callable[[bytes], Any], body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read(body)


@given(st.data())
def test_no_value_whatever_in_a_market_raises_anything_else(data: st.DataObject) -> None:
    body = market("M")
    name = data.draw(st.sampled_from(sorted(body)))
    body[name] = data.draw(ANY_JSON)
    try:
        read_market(as_json({"market": body}))
    except RemoteProtocolError:
        return


# -- what the venue really sent ------------------------------------------------------------------------------------


def test_every_recorded_market_is_read(recordings: Path) -> None:
    data = (recordings / "rest" / "markets-20260710T1623Z.jsonl.zst").read_bytes()
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(data).splitlines()
    page = read_markets(b'{"markets":[' + b",".join(lines) + b'],"cursor":""}')
    whole = [read_market(b'{"market":' + line + b"}") for line in lines]

    assert [listed.ticker for listed in page.items] == [read.ticker for read in whole]
    assert [(listed.close_us, listed.volume_24h) for listed in page.items] == [
        (read.close_us, read.volume_24h) for read in whole
    ]
    assert len(whole) == 1270
    assert all(read.grid.is_on_grid(100) for read in whole)


def test_no_markets_may_be_printed_as_null() -> None:
    assert read_markets(b'{"markets":null,"cursor":null}').items == []


@pytest.mark.parametrize(
    ("printed", "listed"),
    [
        ({"ticker": "A"}, ListedMarket("A", "", "", None, Qty(0), Qty(0))),
        (
            {"ticker": "A", "close_time": "soon", "volume_24h_fp": "many"},
            ListedMarket("A", "", "", None, Qty(0), Qty(0)),
        ),
        (
            {"ticker": "A", "event_ticker": "E", "status": "newer", "close_time": "1970-01-01T00:00:01Z", "x": 1},
            ListedMarket("A", "E", "newer", 1_000_000, Qty(0), Qty(0)),
        ),
    ],
)
def test_an_odd_member_does_not_hide_a_market_of_a_list(printed: dict[str, object], listed: ListedMarket) -> None:
    assert read_markets(as_json({"markets": [printed], "cursor": None})).items == [listed]


def test_every_recorded_book_is_read(recordings: Path) -> None:
    folder = recordings / "rest"
    demo = [
        json.loads(line)["response_body"].encode() for line in _lines(folder / "mixed-20260701-orderbooks-demo.jsonl")
    ]
    verbatim = [
        as_json({"orderbook_fp": json.loads(line)["raw_orderbook"]})
        for line in _lines(folder / "orderbook-verbatim-20260716.jsonl")
    ]
    books = [read_book(body) for body in demo + verbatim]

    assert len(books) == len(demo) + len(verbatim) > 10
    assert sum(len(book.yes) + len(book.no) for book in books) > 100


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("name", "read"),
    [("exchange_schedule", read_schedule), ("exchange_status", read_status), ("series_single", read_series)],
)
def test_recorded_answers_are_read(recordings: Path, name: str, read: Callable[[bytes], Any]) -> None:
    packed = (recordings / "rest" / "golden-rest-202601.tar.zst").read_bytes()
    unpacked = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
        member = archive.extractfile(f"golden/{name}_response.json")
        assert member is not None
        body = json.loads(member.read())["response"]

    assert read(as_json(body)) is not None
