"""The dumbest venue: books as dicts, one sequence number, a copy of everything for each number it ever used."""

import json
from collections.abc import Iterable
from typing import Any, Final

Levels = dict[tuple[str, int], int]  # (side, price in 1e-4 dollar) -> size in 0.01 contract

UNKNOWN_TICKERS: Final = 28
UNKNOWN_SID: Final = 7
LIMIT: Final = 26


def price(value: int) -> str:
    return f"{value / 10_000:.4f}"


def count(value: int) -> str:
    return f"{value / 100:.2f}"


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def snapshot(
    ticker: str,
    seq: int,
    levels: Levels,
    *,
    sid: int = 1,
    command_id: int | None = None,
    ts_ms: int | None = None,
    clock: int | None = None,
) -> bytes:
    msg: dict[str, Any] = {"market_ticker": ticker, "market_id": "m", "clock": seq if clock is None else clock}
    for side in ("yes", "no"):
        found = [[price(p), count(size)] for (s, p), size in sorted(levels.items()) if s == side]
        if found:
            msg[f"{side}_dollars_fp"] = found
    if ts_ms is not None:
        msg["ts_ms"] = ts_ms
    answered = {} if command_id is None else {"id": command_id}
    return encode({"type": "orderbook_snapshot", "sid": sid, "seq": seq, **answered, "msg": msg})


def delta(ticker: str, seq: int, side: str, at: int, change: int, *, sid: int = 1, **times: int | str | None) -> bytes:
    """`times`: `ts_ms`, `ts`, `clock`, some or none."""
    msg = {"market_ticker": ticker, "price_dollars": price(at), "delta_fp": count(change), "side": side}
    return encode({"type": "orderbook_delta", "sid": sid, "seq": seq, "msg": {**msg, **times}})


def subscribed(command_id: int | None, *, sid: int = 1, channel: str = "orderbook_delta") -> bytes:
    answered = {} if command_id is None else {"id": command_id}
    return encode({"type": "subscribed", **answered, "msg": {"channel": channel, "sid": sid}})


def ok(command_id: int, seq: int, tickers: Iterable[str] = (), *, sid: int = 1) -> bytes:
    return encode({"type": "ok", "id": command_id, "sid": sid, "seq": seq, "msg": {"market_tickers": list(tickers)}})


def unsubscribed(command_id: int | None, seq: int, *, sid: int = 1) -> bytes:
    answered = {} if command_id is None else {"id": command_id}
    return encode({"type": "unsubscribed", **answered, "sid": sid, "seq": seq})


def error(code: int, *, tickers: Iterable[str] | None = None, **envelope: Any) -> bytes:
    named = {} if tickers is None else {"market_tickers": list(tickers)}
    return encode({"type": "error", **envelope, "msg": {"code": code, "msg": "no", **named}})


class ModelVenue:
    """One connection to a venue that serves `tickers`. Books outlive the connection; `connect` starts a new one.

    `states[sid, n]` are copies of all books after message number n, several if numbers began again; `sent` collects the
    frames in order. `refusals` are error codes for the next commands, `limit` the markets one subscription may have.
    """

    def __init__(self, tickers: Iterable[str]) -> None:
        self.books: dict[str, Levels] = {ticker: {("yes", 4000): 500, ("no", 5000): 300} for ticker in tickers}
        self.clocks: dict[str, int] = {}
        self.clock = 100
        self.refusals: list[int] = []
        self.limit = 1000
        self.connect()

    def serve(self, ticker: str) -> None:
        """List one more market."""
        self.books[ticker] = {("yes", 4000): 500, ("no", 5000): 300}

    def connect(self) -> None:
        self.sid: int | None = None
        self.sids = 0
        self.seq = 0
        self.watched: list[str] = []
        self.states: dict[tuple[int, int], list[dict[str, Levels]]] = {}
        self.sent: list[bytes] = []
        self.largest_command = 0
        self.commands: list[dict[str, Any]] = []

    def take(self) -> list[bytes]:
        sent, self.sent = self.sent, []
        return sent

    def next_seq(self) -> int:
        assert self.sid is not None
        self.seq += 1
        copy = {ticker: dict(book) for ticker, book in self.books.items()}
        self.states.setdefault((self.sid, self.seq), []).append(copy)
        return self.seq

    # -- commands ------------------------------------------------------------------------------------------------------

    def hear(self, raw: bytes) -> None:
        command = json.loads(raw)
        self.commands.append(command)
        params = command["params"]
        tickers = params.get("market_tickers", [])
        self.largest_command = max(self.largest_command, len(tickers))
        unknown = [ticker for ticker in tickers if ticker not in self.books]
        action = params.get("action", command["cmd"])
        new = [ticker for ticker in tickers if ticker not in self.watched]
        if self.refusals:
            self._refuse(self.refusals.pop(0), command["id"])
        elif "sids" in params and params["sids"] != [self.sid]:
            self._refuse(UNKNOWN_SID, command["id"])
        elif unknown:
            self.sent.append(error(UNKNOWN_TICKERS, tickers=unknown, id=command["id"]))
        elif action in ("subscribe", "add_markets") and len(self.watched) + len(new) > self.limit:
            self._refuse(LIMIT, command["id"])
        else:
            getattr(self, f"_{action}")(command["id"], tickers, new)

    def _refuse(self, code: int, command_id: int) -> None:
        self.sent.append(error(code, id=command_id))

    def _subscribe(self, command_id: int, tickers: list[str], new: list[str]) -> None:
        if self.sid is not None:
            self._add_markets(command_id, tickers, new)
            return
        self.sids += 1
        self.sid, self.seq = self.sids, 0
        self.sent.append(subscribed(command_id, sid=self.sid))
        self._watch(new)

    def _add_markets(self, command_id: int, tickers: list[str], new: list[str]) -> None:
        assert self.sid is not None
        self.sent.append(ok(command_id, self.next_seq(), [*self.watched, *new], sid=self.sid))
        self._watch(new)

    def _delete_markets(self, command_id: int, tickers: list[str], new: list[str]) -> None:
        assert self.sid is not None
        self.watched = [ticker for ticker in self.watched if ticker not in tickers]
        self.sent.append(ok(command_id, self.next_seq(), self.watched, sid=self.sid))

    def _get_snapshot(self, command_id: int, tickers: list[str], new: list[str]) -> None:
        for ticker in tickers:
            self.tell_snapshot(ticker, command_id)

    def _unsubscribe(self, command_id: int, tickers: list[str], new: list[str]) -> None:
        assert self.sid is not None
        self.sent.append(unsubscribed(command_id, self.next_seq(), sid=self.sid))
        self.sid, self.watched = None, []

    def _watch(self, new: list[str]) -> None:
        self.watched += new
        for ticker in new:
            self.tell_snapshot(ticker)

    # -- what happens of itself ----------------------------------------------------------------------------------------

    def tell_snapshot(self, ticker: str, command_id: int | None = None) -> None:
        assert self.sid is not None
        clock = self.clocks.get(ticker, 0)
        self.sent.append(
            snapshot(ticker, self.next_seq(), self.books[ticker], sid=self.sid, command_id=command_id, clock=clock)
        )

    def end(self, code: int) -> None:
        """A terminal error: the subscription is over."""
        if self.sid is not None:
            self.sent.append(error(code, sid=self.sid, seq=self.next_seq()))
            self.sid, self.watched = None, []

    def begin_again(self) -> None:
        """Number the running stream from 1 again, with a snapshot of everything."""
        if self.sid is not None:
            self.seq = 0
            for ticker in self.watched:
                self.tell_snapshot(ticker)

    def set_clock_back(self) -> None:
        """Maintenance."""
        self.clock = 50
        self.clocks.clear()

    def invent(self) -> None:
        """Say something of a type that nobody knows, on the books' own subscription."""
        if self.watched:
            self.sent.append(encode({"type": "brand_new", "sid": self.sid, "seq": self.next_seq(), "msg": {}}))

    def change(self, ticker: str, side: str, at: int, change: int) -> None:
        """Change a level, never below zero, and tell it if the market is watched."""
        book = self.books[ticker]
        size = max(0, book.get((side, at), 0) + change)
        change = size - book.get((side, at), 0)
        if change == 0:
            return
        self.clock += 1
        self.clocks[ticker] = self.clock
        book[side, at] = size
        if not size:
            del book[side, at]
        if ticker in self.watched:
            assert self.sid is not None
            self.sent.append(delta(ticker, self.next_seq(), side, at, change, sid=self.sid, clock=self.clock))
