"""The operator's endpoint: every verb does what it says, strangers are refused, nothing it is told raises."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.broker import Broker, exchange_of
from traderv3.exchange import control
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.market import made_up

A = made_up(7)[0].ticker
HOST = {"host": "127.0.0.1:8010"}


@pytest.fixture
def exchange() -> Exchange:
    return exchange_of()[0]


def post(exchange: Exchange, path: str, **body: Any) -> tuple[int, Any]:
    status, data = control.handle(exchange, "POST", f"/control/{path}", HOST, json.dumps(body).encode())
    return status, json.loads(data)


def state(exchange: Exchange) -> dict[str, Any]:
    status, data = control.handle(exchange, "GET", "/control", HOST, b"")
    assert status == 200
    body: dict[str, Any] = json.loads(data)
    return body


def test_faults_are_switched_on_and_off_while_it_runs(exchange: Exchange) -> None:
    ann = Broker(exchange, "ann")
    client = ann.listen(A, channels=("orderbook_delta",))
    assert post(exchange, "faults", spec="drop=1") == (200, {"faults": "drop=1"})
    ann.placed(A, "bid", "0.4000", "1")
    assert client.session.take() == []
    assert state(exchange)["faults"] == "drop=1"
    assert post(exchange, "faults", spec="") == (200, {"faults": ""})
    ann.placed(A, "bid", "0.4000", "1")
    assert len(client.session.take()) == 1
    status, body = post(exchange, "faults", spec="dorp=1")

    assert status == 400
    assert "'dorp=1' is not a fault" in body["error"]


def test_it_says_what_is_on(exchange: Exchange) -> None:
    ann = Broker(exchange, "ann")
    ann.listen(A, channels=("trade", "fill"))
    body = state(exchange)

    assert body["clients"][0]["channels"] == ["fill", "trade"]
    assert body["clients"][0]["user_id"] == ann.member.user_id
    assert body["markets"][A] == "active"
    assert (body["trading_active"], body["exchange_active"], body["tier"]) == (True, True, "unlimited")


def test_pauses(exchange: Exchange) -> None:
    assert post(exchange, "pause", what="trading", on=True)[1] == {"trading_active": False, "exchange_active": True}
    assert post(exchange, "pause", what="exchange", on=True)[1] == {"trading_active": False, "exchange_active": False}
    post(exchange, "pause", what="exchange", on=False)
    assert post(exchange, "pause", what="trading", on=False)[1] == {"trading_active": True, "exchange_active": True}
    assert post(exchange, "pause", what="lunch", on=True)[0] == 400
    assert post(exchange, "pause", what="trading", on="yes")[0] == 400


def test_maintenance_sends_everybody_away_and_ends_by_itself() -> None:
    exchange, clock = exchange_of()
    ann = Broker(exchange, "ann")
    clients = [ann.listen() for _ in range(3)]
    assert post(exchange, "maintenance", seconds=5) == (200, {"clients": 3, "trading_active": False})
    assert all(client.session.is_dismissed for client in clients)
    status = ann.get("/exchange/status")
    assert (status["trading_active"], status["exchange_active"]) == (False, True)
    assert status["exchange_estimated_resume_time"] == "2026-09-21T14:13:25Z"
    clock.now_us += 5_000_000
    exchange.step(clock.now_us)

    assert ann.get("/exchange/status")["trading_active"] is True


def test_a_pause_that_the_operator_set_outlasts_a_maintenance() -> None:
    exchange, clock = exchange_of()
    ann = Broker(exchange, "ann")
    post(exchange, "pause", what="trading", on=True)
    post(exchange, "maintenance", seconds=5)
    clock.now_us += 5_000_000
    exchange.step(clock.now_us)

    assert ann.get("/exchange/status")["trading_active"] is False


def test_maintenance_as_a_fault_begins_when_it_is_told_to() -> None:
    exchange, clock = exchange_of()
    client = Broker(exchange, "ann").listen()
    post(exchange, "faults", spec="maintenance=5,maintenance_after=2")
    clock.now_us += 1_999_999
    exchange.step(clock.now_us)
    assert state(exchange)["trading_active"]
    clock.now_us += 1
    exchange.step(clock.now_us)

    assert client.session.is_dismissed
    assert not state(exchange)["trading_active"]


def test_every_connection_is_reset(exchange: Exchange) -> None:
    client = Broker(exchange, "ann").listen()

    assert post(exchange, "clients/abort") == (200, {"clients": 1})
    assert client.session.is_aborted


def test_the_life_of_a_market() -> None:
    exchange, clock = exchange_of()
    ann = Broker(exchange, "ann")
    ticker = "KXFRESH-1-A"

    def told(verb: str, **body: Any) -> tuple[int, str]:
        status, answer = post(exchange, f"markets/{ticker}/{verb}", **body)
        return status, answer.get("status", "")

    assert told("create", structure="deci_cent", opens_in_s=2, settlement_timer_s=30) == (200, "initialized")
    assert told("create")[0] == 409
    assert ann.get("/markets?status=unopened")["markets"][0]["ticker"] == ticker
    clock.now_us += 2_000_000
    exchange.step(clock.now_us)
    assert ann.order(ticker, "bid", "0.4710", "1")[0] == 201
    assert told("structure", structure="linear_cent") == (200, "active")
    assert ann.order(ticker, "bid", "0.4710", "1")[0] == 400
    assert told("deactivate") == (200, "inactive")
    assert told("activate") == (200, "active")
    assert told("close") == (200, "closed")
    assert told("close", in_s=60) == (200, "active")
    assert told("determine", result="maybe")[0] == 400
    assert told("determine", result="scalar", value="0.2500") == (200, "determined")
    assert told("settle") == (200, "finalized")
    assert told("settle")[0] == 409
    assert post(exchange, "markets/NOPE/settle")[0] == 404
    market = ann.get(f"/markets/{ticker}")["market"]
    assert (market["result"], market["settlement_value_dollars"]) == ("scalar", "0.2500")


def test_an_events_own_fees(exchange: Exchange) -> None:
    event = exchange.floor.listings[A].market.event.ticker
    client = Broker(exchange, "ann").listen(channels=("market_lifecycle_v2",))
    client.hear()

    assert post(exchange, f"events/{event}/fees", fee_type="quadratic_with_maker_fees", multiplier="1/2")[0] == 200
    assert post(exchange, f"events/{event}/fees")[0] == 200
    assert [frame["msg"]["fee_multiplier_override"] for frame in client.hear()] == [0.5, None]
    assert post(exchange, f"events/{event}/fees", fee_type="quadratic", multiplier="1e9")[0] == 400
    assert post(exchange, "events/NOPE/fees")[0] == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost"}, 200),
        ({"host": "[::1]:8010"}, 200),
        ({"host": "evil.example:8010"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({}, 403),
        ({"host": "localhost", "origin": "http://localhost"}, 403),
    ],
)
def test_browsers_pages_and_other_hosts_are_refused(exchange: Exchange, headers: dict[str, str], status: int) -> None:
    assert control.handle(exchange, "GET", "/control", headers, b"")[0] == status


def test_a_get_changes_nothing(exchange: Exchange) -> None:
    assert control.handle(exchange, "GET", "/control/clients/abort", HOST, b"")[0] == 405
    assert control.handle(exchange, "POST", "/control", HOST, b"{}")[0] == 405
    assert control.handle(exchange, "POST", "/control/nothing", HOST, b"{}")[0] == 404


VALUES = st.one_of(st.none(), st.booleans(), st.integers(-5, 10**12), st.floats(allow_nan=False), st.text(max_size=12))
NAMES = (
    "spec",
    "what",
    "on",
    "seconds",
    "result",
    "value",
    "structure",
    "in_s",
    "opens_in_s",
    "fee_type",
    "multiplier",
)
PATHS = ("faults", "pause", "maintenance", "clients/abort", f"events/{A}/fees")
VERBS = ("create", "activate", "deactivate", "settle", "close", "determine", "structure")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([*PATHS, *(f"markets/{A}/{verb}" for verb in VERBS), "markets//create"]),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
)
def test_nothing_that_is_asked_raises(path: str, body: dict[str, Any]) -> None:
    exchange = exchange_of()[0]
    status, answer = post(exchange, path, **body)

    assert status in (200, 400, 404, 409)
    assert answer
    exchange.step(exchange.now_us())
