"""The dumbest venue: books as dicts, one sequence number, a copy of everything for each number it ever used."""

import json
from collections.abc import Iterable
from typing import Any, Final

Levels = dict[tuple[str, int], int]  # (side, price in 1e-4 dollar) -> size in 0.01 contract

UNKNOWN_TICKERS: Final = 28


def price(value: int) -> str:
    return f"{value / 10_000:.4f}"


def count(value: int) -> str:
    return f"{value / 100:.2f}"


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def snapshot(
    ticker: str, seq: int, levels: Levels, *, sid: int = 1, command_id: int | None = None, ts_ms: int | None = None
) -> bytes:
    msg: dict[str, Any] = {"market_ticker": ticker, "market_id": "m", "clock": seq}
    for side in ("yes", "no"):
        found = [[price(p), count(size)] for (s, p), size in sorted(levels.items()) if s == side]
        if found:
            msg[f"{side}_dollars_fp"] = found
    if ts_ms is not None:
        msg["ts_ms"] = ts_ms
    answered = {} if command_id is None else {"id": command_id}
    return encode({"type": "orderbook_snapshot", "sid": sid, "seq": seq, **answered, "msg": msg})


def delta(ticker: str, seq: int, side: str, at: int, change: int, *, sid: int = 1, **times: int | str | None) -> bytes:
    """`times`: `ts_ms`, `ts`, both or none."""
    msg = {"market_ticker": ticker, "price_dollars": price(at), "delta_fp": count(change), "side": side}
    return encode({"type": "orderbook_delta", "sid": sid, "seq": seq, "msg": {**msg, **times}})


def subscribed(command_id: int | None, *, sid: int = 1, channel: str = "orderbook_delta") -> bytes:
    answered = {} if command_id is None else {"id": command_id}
    return encode({"type": "subscribed", **answered, "msg": {"channel": channel, "sid": sid}})


def ok(command_id: int, seq: int, tickers: Iterable[str] = (), *, sid: int = 1) -> bytes:
    return encode({"type": "ok", "id": command_id, "sid": sid, "seq": seq, "msg": {"market_tickers": list(tickers)}})


def error(code: int, *, tickers: Iterable[str] | None = None, **envelope: Any) -> bytes:
    named = {} if tickers is None else {"market_tickers": list(tickers)}
    return encode({"type": "error", **envelope, "msg": {"code": code, "msg": "no", **named}})


class ModelVenue:
    """One connection to a venue that serves `tickers`. Books outlive the connection; `connect` starts a new one.

    `states[n]` is a copy of all books after message number n; `sent` collects the frames in order.
    """

    def __init__(self, tickers: Iterable[str]) -> None:
        self.books: dict[str, Levels] = {ticker: {("yes", 4000): 500, ("no", 5000): 300} for ticker in tickers}
        self.connect()

    def serve(self, ticker: str) -> None:
        """List one more market."""
        self.books[ticker] = {("yes", 4000): 500, ("no", 5000): 300}

    def connect(self) -> None:
        self.seq = 0
        self.watched: list[str] = []
        self.states: dict[int, dict[str, Levels]] = {}
        self.sent: list[bytes] = []
        self.largest_command = 0
        self.commands: list[dict[str, Any]] = []

    def take(self) -> list[bytes]:
        sent, self.sent = self.sent, []
        return sent

    def next_seq(self) -> int:
        self.seq += 1
        self.states[self.seq] = {ticker: dict(book) for ticker, book in self.books.items()}
        return self.seq

    def hear(self, raw: bytes) -> None:
        command = json.loads(raw)
        self.commands.append(command)
        tickers = command["params"]["market_tickers"]
        self.largest_command = max(self.largest_command, len(tickers))
        unknown = [ticker for ticker in tickers if ticker not in self.books]
        if unknown:
            self.sent.append(error(UNKNOWN_TICKERS, tickers=unknown, id=command["id"]))
            return
        action = command["params"].get("action", command["cmd"])
        if action == "get_snapshot":
            for ticker in tickers:
                self.tell_snapshot(ticker, command["id"])
            return
        new = [ticker for ticker in tickers if ticker not in self.watched]
        self.watched += new
        if action == "subscribe":
            self.sent.append(subscribed(command["id"]))
        else:
            self.sent.append(ok(command["id"], self.next_seq(), self.watched))
        for ticker in new:
            self.tell_snapshot(ticker)

    def tell_snapshot(self, ticker: str, command_id: int | None = None) -> None:
        self.sent.append(snapshot(ticker, self.next_seq(), self.books[ticker], command_id=command_id))

    def invent(self) -> None:
        """Say something of a type that nobody knows, on the books' own subscription."""
        if self.watched:
            self.sent.append(encode({"type": "brand_new", "sid": 1, "seq": self.next_seq(), "msg": {}}))

    def change(self, ticker: str, side: str, at: int, change: int) -> None:
        """Change a level, never below zero, and tell it if the market is watched."""
        book = self.books[ticker]
        size = max(0, book.get((side, at), 0) + change)
        change = size - book.get((side, at), 0)
        if change == 0:
            return
        book[side, at] = size
        if not size:
            del book[side, at]
        if ticker in self.watched:
            self.sent.append(delta(ticker, self.next_seq(), side, at, change))
