"""The operator's endpoint of the embedded exchange: faults, pauses and markets, while it runs. On loopback, not the venue's.

    GET  /control                             what is on: faults, pauses, clients, markets and their status
    POST /control/faults                      {"spec": "drop=0.01,delay=0.2"}; {"spec": ""} ends them all
    POST /control/pause                       {"what": "trading"|"exchange", "on": true|false}
    POST /control/maintenance                 {"seconds": 5}: everybody is disconnected, trading pauses that long
    POST /control/clients/abort               {}: every WebSocket is reset
    POST /control/markets/TICKER/create       {"title", "event_ticker", "series_ticker", "structure", "opens_in_s", "closes_in_s",
                                              "settlement_timer_s"}, all of them optional
    POST /control/markets/TICKER/activate     {}; also deactivate, settle
    POST /control/markets/TICKER/close        {}, or {"in_s": 60} for another close time (re-opens a closed market)
    POST /control/markets/TICKER/determine    {"result": "yes"|"no"|"scalar", "value": "0.5000"}
    POST /control/markets/TICKER/structure    {"structure": "deci_cent"}
    POST /control/events/TICKER/fees          {"fee_type": "quadratic", "multiplier": "1/2"}, or {} for the series' own

Answers are JSON: the thing's new state, or `{"error": sentence}`. Refused: requests with an `Origin` (a browser's page) and
with a `Host` that is not loopback. Never: anything under /trade-api, or a secret.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

import msgspec

from traderv3.domain.fees import FeeSchedule
from traderv3.domain.units import UnitError, parse_price
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.faults import SECONDS_MAX, FaultProblem, parse_faults
from traderv3.exchange.market import CLOSE_US, SETTLEMENT_TIMER_S, STRUCTURES, Event, Market
from traderv3.exchange.records import Rejected

PATH: Final = "/control"
LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SECOND_US: Final = 1_000_000
_FRACTION_CHARS_MAX: Final = 20

Body = dict[str, Any]
Verb = Callable[[Exchange, str, Body], Any]


class _Problem(Exception):
    """Ends a request with this status and sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def is_control(path: str) -> bool:
    """Whether a request's path is the operator's."""
    return path == PATH or path.startswith(PATH + "/")


def handle(exchange: Exchange, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """Carry out one request. Header names in lower case."""
    try:
        _check_caller(headers)
        answer = _routed(exchange, method, path, body)
    except _Problem as problem:
        return problem.status, msgspec.json.encode({"error": str(problem)})
    except Rejected as rejected:
        return rejected.status, msgspec.json.encode({"error": rejected.details or rejected.message})
    exchange.floor.end_action(exchange.now_us())
    return 200, msgspec.json.encode(answer)


def _check_caller(headers: Mapping[str, str]) -> None:
    if "origin" in headers:
        raise _Problem(403, "requests from a browser's page are refused")
    host = headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in LOOPBACK_NAMES:
        raise _Problem(403, "the Host must be loopback")


def _routed(exchange: Exchange, method: str, path: str, body: bytes) -> Any:
    parts = path.removeprefix(PATH).strip("/").split("/")
    if parts == [""]:
        _only(method, "GET")
        return state(exchange)
    match parts:
        case ["markets", ticker, verb] if verb in _MARKET_VERBS:
            act, name = _MARKET_VERBS[verb], ticker
        case ["events", ticker, "fees"]:
            act, name = _set_fees, ticker
        case _ if "/".join(parts) in _VERBS:
            act, name = _VERBS["/".join(parts)], ""
        case _:
            raise _Problem(404, f"there is no {path}")
    _only(method, "POST")
    return act(exchange, name, _decoded(body))


def _only(method: str, allowed: str) -> None:
    if method != allowed:
        raise _Problem(405, f"use {allowed}")


def _decoded(body: bytes) -> Body:
    try:
        value = msgspec.json.decode(body or b"{}")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _Problem(400, "the body must be a JSON object")
    return value


def state(exchange: Exchange) -> Body:
    """What is on."""
    floor, desk = exchange.floor, exchange.desk
    clients = [
        {
            "user_id": session.user_id,
            "channels": sorted(session.by_channel),
            "frames_sent": session.frames_sent,
            "queued_bytes": session.queued_bytes,
        }
        for session in floor.sessions
    ]
    return {
        "faults": floor.faults.spelled(),
        "trading_active": desk.is_trading_active,
        "exchange_active": desk.is_exchange_active,
        "takes_orders": desk.takes_orders,
        "tier": exchange.limits.tier,
        "clients": clients,
        "markets": {ticker: listing.status.value for ticker, listing in floor.listings.items()},
    }


# -- the exchange --------------------------------------------------------------------------------------------------


def _set_faults(exchange: Exchange, _: str, body: Body) -> Any:
    try:
        faults = parse_faults(_text(body, "spec", ""))
    except FaultProblem as problem:
        raise _Problem(400, str(problem)) from None
    exchange.set_faults(faults)
    return {"faults": faults.spelled()}


def _pause(exchange: Exchange, _: str, body: Body) -> Any:
    desk = exchange.desk
    verbs = {
        ("trading", True): desk.pause_trading,
        ("trading", False): desk.resume_trading,
        ("exchange", True): desk.pause_exchange,
        ("exchange", False): desk.resume_exchange,
    }
    verb = verbs.get((_text(body, "what", ""), body.get("on") is True))
    if verb is None or not isinstance(body.get("on"), bool):
        raise _Problem(400, 'say {"what": "trading" or "exchange", "on": true or false}')
    verb()
    return {"trading_active": desk.is_trading_active, "exchange_active": desk.is_exchange_active}


def _maintain(exchange: Exchange, _: str, body: Body) -> Any:
    clients = len(exchange.floor.sessions)
    exchange.begin_maintenance(_seconds(body, "seconds", 5.0))
    return {"clients": clients, "trading_active": exchange.desk.is_trading_active}


def _abort(exchange: Exchange, _: str, __: Body) -> Any:
    return {"clients": exchange.abort_clients()}


_VERBS: Final[dict[str, Verb]] = {
    "faults": _set_faults,
    "pause": _pause,
    "maintenance": _maintain,
    "clients/abort": _abort,
}


# -- markets and events --------------------------------------------------------------------------------------------


def _create(exchange: Exchange, ticker: str, body: Body) -> None:
    now_us = exchange.now_us()
    event_ticker = _text(body, "event_ticker", ticker.rpartition("-")[0] or ticker)
    known = (listing.market.event for listing in exchange.floor.listings.values())
    event = next((event for event in known if event.ticker == event_ticker), None)
    structure = _text(body, "structure", event.structure if event else "linear_cent")
    if structure not in STRUCTURES:
        raise _Problem(400, f"structure must be one of {', '.join(STRUCTURES)}")
    if event is None:
        event = Event(
            ticker=event_ticker,
            series_ticker=_text(body, "series_ticker", ticker.partition("-")[0]),
            title=_text(body, "title", event_ticker),
            sub_title="",
            category="Demo",
            structure=structure,
            is_mutually_exclusive=False,
        )
    closes_in_s = _seconds(body, "closes_in_s", 0.0)
    market = Market(
        ticker=ticker,
        event=event,
        title=_text(body, "title", ticker),
        open_us=now_us + int(_seconds(body, "opens_in_s", 0.0) * _SECOND_US),
        close_us=now_us + int(closes_in_s * _SECOND_US) if closes_in_s else CLOSE_US,
        settlement_timer_s=int(_seconds(body, "settlement_timer_s", float(SETTLEMENT_TIMER_S))),
        own_structure=structure,
    )
    listing = exchange.desk.create_market(market)
    if exchange.participants is not None:
        exchange.participants.join(listing)


def _close(exchange: Exchange, ticker: str, body: Body) -> None:
    after_s = _seconds(body, "in_s", 0.0)
    exchange.desk.close(ticker, exchange.now_us() + int(after_s * _SECOND_US) if after_s else None)


def _determine(exchange: Exchange, ticker: str, body: Body) -> None:
    text = _text(body, "value", "")
    try:
        value = parse_price(text) if text else None
    except UnitError as problem:
        raise _Problem(400, str(problem)) from None
    exchange.desk.determine(ticker, _text(body, "result", ""), value)


def _shown(act: Callable[[Exchange, str, Body], None]) -> Verb:
    """A verb of one market, answered by the market's state after it."""

    def verb(exchange: Exchange, ticker: str, body: Body) -> Any:
        act(exchange, ticker, body)
        listing = exchange.desk.listing(ticker)
        return {"ticker": ticker, "status": listing.status.value, "result": listing.result}

    return verb


_MARKET_VERBS: Final[dict[str, Verb]] = {
    "create": _shown(_create),
    "activate": _shown(lambda exchange, ticker, _: exchange.desk.activate(ticker)),
    "deactivate": _shown(lambda exchange, ticker, _: exchange.desk.deactivate(ticker)),
    "close": _shown(_close),
    "determine": _shown(_determine),
    "settle": _shown(lambda exchange, ticker, _: exchange.desk.settle(ticker)),
    "structure": _shown(
        lambda exchange, ticker, body: exchange.desk.change_structure(ticker, _text(body, "structure", ""))
    ),
}


def _set_fees(exchange: Exchange, event_ticker: str, body: Body) -> Any:
    fees = FeeSchedule(_text(body, "fee_type", ""), _fraction(_text(body, "multiplier", "1"))) if body else None
    exchange.desk.override_fees(event_ticker, fees)
    return {"event_ticker": event_ticker, "fee_type": None if fees is None else fees.fee_type}


# -- members of a body ---------------------------------------------------------------------------------------------


def _text(body: Body, name: str, default: str) -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise _Problem(400, f"{name} must be text")
    return value


def _seconds(body: Body, name: str, default: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= SECONDS_MAX:
        raise _Problem(400, f"{name} must be seconds, 0 to {SECONDS_MAX:g}")
    return float(value)


def _fraction(text: str) -> Fraction:
    try:
        value = Fraction(text) if len(text) <= _FRACTION_CHARS_MAX and "e" not in text.lower() else Fraction(-1)
    except (ValueError, ZeroDivisionError):
        value = Fraction(-1)
    if not 0 <= value <= 100:
        raise _Problem(400, 'multiplier must be text such as "1" or "1/2"')
    return value
