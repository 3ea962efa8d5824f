"""Our own client beside the foreign one: a `BookSession` on a socket of its own, and what its books passed through.

Both see the same messages in the same order, at slightly different times. So at a checkpoint the foreign book must be *a*
state of ours, none older than at the checkpoint before; once the market stands still, the last.
"""

import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import trio
import trio_websocket

from tests.running import eventually
from tests.third_party.foreign import Levels
from traderv3.domain.book import Book, BookState
from traderv3.domain.feed import FeedCounters
from traderv3.protocol.session import BookSession
from traderv3.protocol.signing import Signer, load_private_key

TRADES_ID: Final = 1_000_000  # far from the ids that the session uses


class Witness:
    """`states` by ticker, oldest first; `trades` by id."""

    def __init__(self, tickers: Iterable[str]) -> None:
        self.books = {ticker: Book(ticker) for ticker in tickers}
        self.counters = FeedCounters()
        self.states: dict[str, list[Levels]] = {ticker: [] for ticker in self.books}
        self.trades: dict[str, dict[str, Any]] = {}
        self._session = BookSession("witness", self.books, self.counters)

    async def until_whole(self) -> None:
        """Wait until every book is live."""

        async def is_whole() -> bool:
            return all(book.state is BookState.LIVE for book in self.books.values())

        await eventually(is_whole, "the witness holds every book")

    def position(self, ticker: str, levels: Levels, since: int) -> int | None:
        """Where in the states from `since` on this one stands; None if our book never was like this."""
        try:
            return self.states[ticker].index(levels, since)
        except ValueError:
            return None

    async def until_moved(self, moves: int) -> None:
        """Wait until the books took `moves` further steps together."""
        wanted = sum(map(len, self.states.values())) + moves

        async def has_moved() -> bool:
            return sum(map(len, self.states.values())) >= wanted

        await eventually(has_moved, f"{moves} more changes of the books")

    async def watch(self, socket: trio_websocket.WebSocketConnection) -> None:
        """Receive until the socket closes."""
        asks = {"channels": ["trade"], "market_tickers": list(self.books)}
        await socket.send_message(json.dumps({"id": TRADES_ID, "cmd": "subscribe", "params": asks}))
        while True:
            for command in self._session.commands(at_us=_now_us(), now_s=trio.current_time()):
                await socket.send_message(command.decode())
            try:
                self._take(await socket.get_message())
            except trio_websocket.ConnectionClosed:
                return

    def _take(self, data: str | bytes) -> None:
        raw = data.encode() if isinstance(data, str) else data
        frame = json.loads(raw)
        if frame["type"] == "trade":
            self.trades[frame["msg"]["trade_id"]] = frame["msg"]
        elif frame.get("id") != TRADES_ID:
            self._session.receive([raw], at_us=_now_us(), now_s=trio.current_time())
            book = self.books.get(frame.get("msg", {}).get("market_ticker", ""))
            if book is not None and book.state is BookState.LIVE:
                self.states[book.ticker].append(levels_held(book))


def levels_held(book: Book) -> Levels:
    """Both sides as they are."""
    return frozenset(book.yes.items()), frozenset(book.no.items())


@asynccontextmanager
async def witnessing(announcement: dict[str, Any], tickers: Iterable[str]) -> AsyncIterator[Witness]:
    """A witness for the block, as soon as all its books are live."""
    witness = Witness(tickers)
    ws_url = announcement["ws_url"]
    pem = await trio.Path(announcement["private_key_path"]).read_text()
    signer = Signer(announcement["key_id"], load_private_key(pem))
    headers = signer.headers("GET", urlsplit(ws_url).path, at_ms=time.time_ns() // 1_000_000)
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    async with (
        trio_websocket.open_websocket_url(ws_url, extra_headers=pairs, max_message_size=1 << 26) as socket,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(witness.watch, socket)
        await witness.until_whole()
        yield witness
        nursery.cancel_scope.cancel()


def _now_us() -> int:
    return time.time_ns() // 1_000
