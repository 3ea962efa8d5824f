"""The judge itself: it takes every example of the venue's, refuses what is broken in one place, and judges our commands."""

import copy
import inspect
import itertools
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.schemas import Unfit, VenueSchemas
from traderv3.domain.book import Book
from traderv3.domain.feed import FeedCounters
from traderv3.protocol import wire
from traderv3.protocol.session import BookSession

TICKERS: Final = ["KXDEMO-26DEC31-T100", "KXDEMO-26DEC31-T110"]
MARKET_ID: Final = "11111111-2222-4333-8444-555555555555"
SNAPSHOT: Final[dict[str, Any]] = {
    "type": "orderbook_snapshot",
    "sid": 1,
    "seq": 1,
    "msg": {
        "market_ticker": TICKERS[0],
        "market_id": MARKET_ID,
        "clock": 90210,
        "yes_dollars_fp": [["0.4500", "120.00"]],
    },
    "sending_ts_ms": 1791000000456,
}

CHANNELS: Final = (
    *("orderbook_delta", "ticker", "trade", "fill", "market_positions", "user_orders", "market_lifecycle_v2"),
    *("multivariate_market_lifecycle", "order_group_updates"),
)
# What the builders of commands may be asked for, by the names of their parameters.
ARGUMENTS: Final[dict[str, list[Any]]] = {
    "command_id": [1],
    "sid": [1],
    "tickers": [TICKERS, TICKERS[:1]],
    "action": ["add_markets", "delete_markets", "get_snapshot"],
    "channel": list(CHANNELS),
}


def encoded(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


def test_every_example_of_the_protocol_page_fits_the_schema_that_it_names(schemas: VenueSchemas, spec: Path) -> None:
    examples = json.loads((spec / "ws-examples.json").read_bytes())

    assert len(examples) >= 24
    for each in examples:
        check = schemas.check_command if each["kind"] == "cmd" else schemas.check_message
        assert check(encoded(each["example"])) == each["schema"]


def test_an_example_that_lacks_any_one_member_fits_no_more_or_lacked_an_optional_one(
    schemas: VenueSchemas, spec: Path
) -> None:
    refused = 0
    examples = [each for each in json.loads((spec / "ws-examples.json").read_bytes()) if each["kind"] == "schema"]
    for each in examples:
        message = each["example"]
        for member in message.get("msg", {}) if isinstance(message.get("msg"), dict) else {}:
            cut = copy.deepcopy(message)
            del cut["msg"][member]
            refused += is_unfit(schemas, cut)

    assert refused > 60


def is_unfit(schemas: VenueSchemas, message: Any) -> bool:
    try:
        schemas.check_message(encoded(message))
    except Unfit:
        return True
    return False


def mutated(**changes: Any) -> dict[str, Any]:
    """The snapshot with members of `msg` changed; None takes one away; names with `top_` are of the envelope."""
    message = copy.deepcopy(SNAPSHOT)
    for name, value in changes.items():
        place, member = (message, name[4:]) if name.startswith("top_") else (message["msg"], name)
        if value is None:
            del place[member]
        else:
            place[member] = value
    return message


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"clock": None}, "'clock' is a required property"),
        ({"clock": "1"}, "is not of type 'integer'"),
        ({"clock": -1}, "minimum"),
        ({"clock": 2**63}, "int64"),
        ({"market_id": "abc"}, "uuid"),
        ({"market_id": MARKET_ID.replace("-", "")}, "uuid"),
        ({"yes_dollars_fp": [[0.45, "120.00"]]}, "is not of type 'string'"),
        ({"yes_dollars_fp": [["0.45", "120.00"]]}, "does not match"),
        ({"yes_dollars_fp": [["0.4500", "120"]]}, "does not match"),
        ({"yes_dollars_fp": [["0.4500"]]}, "too short"),
        ({"yes_dollars": [["0.4500", "120.00"]]}, "Additional properties"),
        ({"top_seq": None}, "'seq' is a required property"),
        ({"top_extra": 1}, "Additional properties"),
        ({"top_type": "orderbook_snap"}, "no schema for type"),
    ],
)
def test_one_broken_member_is_found_and_named(schemas: VenueSchemas, changes: dict[str, Any], complaint: str) -> None:
    schemas.check_message(encoded(SNAPSHOT))
    with pytest.raises(Unfit, match=complaint):
        schemas.check_message(encoded(mutated(**changes)))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"type":7}', encoded(SNAPSHOT) * 2])
def test_what_is_no_message_at_all_is_unfit(schemas: VenueSchemas, data: bytes) -> None:
    with pytest.raises(Unfit):
        schemas.check_message(data)


@pytest.mark.parametrize("code", [6, 16, 17])
def test_a_retired_error_code_is_unfit(schemas: VenueSchemas, code: int) -> None:
    schemas.check_message(encoded({"type": "error", "msg": {"code": 28, "msg": "x", "market_tickers": TICKERS}}))
    with pytest.raises(Unfit):
        schemas.check_message(encoded({"type": "error", "msg": {"code": code, "msg": "x"}}))


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "complaint"),
    [
        ("GET", "/exchange/status", 200, {"exchange_active": True}, "'trading_active' is a required"),
        ("GET", "/exchange/statuses", 200, {}, "not in the document"),
        ("GET", "/exchange/status", 201, {}, "may not answer 201"),
        ("GET", "/markets", 400, {"error": "no"}, "not valid under any"),
        ("GET", "/markets", 429, {"error": {"code": "x"}}, "required property"),
        ("DELETE", "/portfolio/events/orders", 204, {}, "has no body"),
        ("GET", "/markets/KXDEMO/orderbook", 200, {"orderbook": {}}, "orderbook_fp"),
        ("GET", "/portfolio/balance", 200, {"balance": "1"}, "balance"),
    ],
)
def test_a_rest_answer_that_the_document_does_not_promise_is_unfit(
    schemas: VenueSchemas, method: str, path: str, status: int, body: Any, complaint: str
) -> None:
    with pytest.raises(Unfit, match=complaint):
        schemas.check_answer(method, f"/trade-api/v2{path}", status, json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "not_found", "message": "not found"}},
        {"error": {"code": "authentication_error", "message": "authentication_error", "details": "NOT_FOUND"}},
        {"code": "invalid_content_type", "message": "invalid_content_type"},
        {"msg": "Parameter validation failed for GetMarkets: limit"},
        {"error": "too many requests"},
    ],
)
def test_each_error_shape_of_the_wire_is_taken(schemas: VenueSchemas, body: Any) -> None:
    schemas.check_answer("GET", "/trade-api/v2/markets?limit=5", 400, json.dumps(body).encode())


# -- what we send ------------------------------------------------------------------------------------------------------


def builders() -> list[Any]:
    """Every public function of the wire module that makes a command."""
    found = inspect.getmembers(wire, inspect.isfunction)
    return [made for _, made in found if "command_id" in inspect.signature(made).parameters and made.__name__[0] != "_"]


def test_every_command_that_we_can_build_fits_the_venues_schema(schemas: VenueSchemas) -> None:
    built: list[bytes] = []
    for build in builders():
        names = list(inspect.signature(build).parameters)
        choices = itertools.product(*(ARGUMENTS[name] for name in names))
        built += [build(**dict(zip(names, chosen, strict=True))) for chosen in choices]

    assert len(built) >= 8
    for command in built:
        schemas.check_command(command)


def test_what_the_session_says_while_it_subscribes_grows_and_repairs_fits_the_venues_schema(
    schemas: VenueSchemas,
) -> None:
    session = BookSession("test", {ticker: Book(ticker) for ticker in TICKERS}, FeedCounters())
    said = session.commands(at_us=0, now_s=0.0)
    subscribed = {"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}
    session.receive([encoded(subscribed), encoded(SNAPSHOT)], at_us=1, now_s=0.1)
    session.receive([encoded(mutated(top_seq=9, market_ticker=TICKERS[1]))], at_us=2, now_s=0.2)
    said += session.commands(at_us=3, now_s=1.0)

    assert [json.loads(command)["cmd"] for command in said] == ["subscribe", "update_subscription"]
    assert json.loads(said[0])["params"]["use_yes_price"] is False
    for command in said:
        schemas.check_command(command)
