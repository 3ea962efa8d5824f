"""A client of the sans-I/O exchange, as plain as can be: it keeps numbers and books the way the venue's pages say."""

import json
from typing import Any

from traderv3.exchange.client_commands import Commands
from traderv3.exchange.faults import NO_FAULTS, Faults
from traderv3.exchange.floor import Floor
from traderv3.exchange.market import Market, made_up
from traderv3.exchange.session import ClientSession, SessionOptions

NOW_MS = 1_790_000_000_000

Side = dict[str, float]


def floor_of(
    markets: list[Market] | None = None, *, options: SessionOptions | None = None, faults: Faults = NO_FAULTS
) -> Floor:
    return Floor(markets or made_up(7), now_ms=lambda: NOW_MS, options=options, faults=faults)


class Listener:
    """Hears every frame, checks its form and number, and applies book messages to `books`."""

    def __init__(self, floor: Floor, *, checks_seq: bool = True, session: ClientSession | None = None) -> None:
        self.session = session or floor.open_session()
        self.books: dict[str, dict[str, dict[str, int]]] = {}
        self.seqs: dict[int, int] = {}
        self.heard: list[dict[str, Any]] = []
        self._commands = Commands(self.session)
        self._checks_seq = checks_seq

    def say(self, cmd: str, command_id: int | None = 1, **params: Any) -> list[dict[str, Any]]:
        return self.say_raw(json.dumps({"id": command_id, "cmd": cmd, "params": params}))

    def say_raw(self, data: str | bytes) -> list[dict[str, Any]]:
        self._commands.receive(data)
        return self.hear()

    def subscribe(self, *tickers: str, channels: tuple[str, ...] = ("orderbook_delta",), **more: Any) -> list[Any]:
        return self.say("subscribe", channels=list(channels), market_tickers=list(tickers), **more)

    def hear(self) -> list[dict[str, Any]]:
        frames = []
        for text in self.session.take():
            assert text.endswith(b"}\n")
            frames.append(self._hear_one(json.loads(text)))
        self.heard += frames
        return frames

    def _hear_one(self, frame: dict[str, Any]) -> dict[str, Any]:
        if "seq" in frame and self._checks_seq:
            self.seqs[frame["sid"]] = self.seqs.get(frame["sid"], 0) + 1
            assert frame["seq"] == self.seqs[frame["sid"]], frame
        if frame["type"] == "orderbook_snapshot":
            msg = frame["msg"]
            self.books[msg["market_ticker"]] = {
                side: {price: cents(size) for price, size in msg.get(f"{side}_dollars_fp", [])}
                for side in ("yes", "no")
            }
        elif frame["type"] == "orderbook_delta":
            msg = frame["msg"]
            levels = self.books[msg["market_ticker"]][msg["side"]]
            size = levels.get(msg["price_dollars"], 0) + cents(msg["delta_fp"])
            assert size >= 0
            levels[msg["price_dollars"]] = size
            if not size:
                del levels[msg["price_dollars"]]
        return frame


def cents(text: str) -> int:
    """A count as printed, in hundredths."""
    return round(float(text) * 100)


def held(floor: Floor, ticker: str) -> dict[str, dict[str, int]]:
    """The floor's own book in the listener's form."""
    book = floor.listings[ticker].book
    return {
        "yes": {f"{price / 10_000:.4f}": size for price, size in book.yes.items()},
        "no": {f"{price / 10_000:.4f}": size for price, size in book.no.items()},
    }
