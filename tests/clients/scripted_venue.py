"""A venue in memory that reads the open points its own way: real WebSocket bytes, virtual time, books that move.

`Conversation` is one connection by the book (the protocol page); a reading is a subclass that does one thing otherwise.
`ScriptedVenue` holds the truth, opens streams for the real `Door`, and counts what the client does to it.
Units: prices 1e-4 dollar, sizes 0.01 contract, seconds of Trio's clock.
"""

import base64
import hashlib
import json
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, TextMessage

from tests.protocol.framing import CLOSE, PING, PONG, TEXT, frame
from traderv3.config.endpoints import Endpoint

CHANGE_S: Final = 0.25  # between two changes of the books
PING_S: Final = 10.0
START_MS: Final = 1_795_000_000_000
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Levels = dict[tuple[str, int], int]  # (side, price) -> size
ServerEnd = trio.StapledStream[MemorySendStream, MemoryReceiveStream]


def market_id(ticker: str) -> str:
    return f"11111111-2222-4333-8444-{sum(ticker.encode()):012d}"


def price(value: int) -> str:
    return f"{value / 10_000:.4f}"


def count(value: int) -> str:
    return f"{value / 100:.2f}"


class Conversation:
    """One connection of a client's, by the book. What it says goes through `say`, in the order in which it is to arrive."""

    first_sid = 1
    channel = "orderbook_delta"

    def __init__(self, venue: "ScriptedVenue") -> None:
        self.venue = venue
        self.sid: int | None = None
        self.seq = 0
        self.watched: list[str] = []
        self.is_yes_price = False
        self.wire = bytearray()  # WebSocket frames to be sent
        self.is_cut = False  # the connection ends once `wire` is out, without a word
        self.commands: list[dict[str, Any]] = []
        self._sids_used = 0

    # -- the upgrade -------------------------------------------------------------------------------------------------

    def refusal(self, attempt: int) -> bytes | None:
        """The whole HTTP answer if the upgrade is to be refused. `attempt` counts the venue's connections from 1."""
        return None

    def extensions(self) -> bytes:
        """A header line for the answer to the upgrade."""
        return b""

    def on_open(self) -> None:
        """The connection is open."""

    # -- commands ------------------------------------------------------------------------------------------------------

    def hear(self, text: str) -> None:
        command = json.loads(text)
        self.commands.append(command)
        params, number = command["params"], command["id"]
        tickers = params.get("market_tickers", [])
        match params.get("action", command["cmd"]):
            case "subscribe":
                self.is_yes_price = self.reads_yes_price(params)
                self.on_subscribe(number, tickers)
            case "add_markets":
                self.on_add(number, tickers)
            case "delete_markets":
                self.watched = [ticker for ticker in self.watched if ticker not in tickers]
                self.tell_ok(number)
            case "get_snapshot":
                self.on_get_snapshot(number, tickers)
            case "unsubscribe":
                self.on_unsubscribe(number)

    def reads_yes_price(self, params: dict[str, Any]) -> bool:
        return bool(params.get("use_yes_price", False))

    def on_subscribe(self, number: int, tickers: Sequence[str]) -> None:
        if self.refuses(number, tickers):
            return
        self.begin(number)
        self.watch(tickers)

    def begin(self, number: int) -> None:
        """A new subscription, acknowledged."""
        self._sids_used += 1
        self.sid, self.seq, self.watched = self.first_sid + self._sids_used - 1, 0, []
        self.tell_subscribed(number)

    def on_add(self, number: int, tickers: Sequence[str]) -> None:
        if self.refuses(number, tickers):
            return
        fresh = self.widen(tickers)
        self.tell_ok(number)
        self.tell_snapshots(fresh)

    def on_get_snapshot(self, number: int, tickers: Sequence[str]) -> None:
        self.tell_snapshots(tickers, number)

    def on_unsubscribe(self, number: int) -> None:
        self.say({"type": "unsubscribed", "id": number, "sid": self.sid, "seq": self.next_seq()})
        self.sid, self.watched = None, []

    def refuses(self, number: int, tickers: Sequence[str]) -> bool:
        """Whether the command names what the venue does not serve, which was then said."""
        unknown = [ticker for ticker in tickers if ticker not in self.venue.books]
        if unknown:
            self.tell_error(28, number, market_tickers=unknown)
        return bool(unknown)

    def widen(self, tickers: Sequence[str]) -> list[str]:
        fresh = [ticker for ticker in tickers if ticker not in self.watched and ticker in self.venue.books]
        self.watched += fresh
        return fresh

    def watch(self, tickers: Sequence[str]) -> None:
        self.tell_snapshots(self.widen(tickers))

    # -- messages ------------------------------------------------------------------------------------------------------

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def tell_subscribed(self, number: int) -> None:
        self.say({"type": "subscribed", "id": number, "msg": {"channel": self.channel, "sid": self.sid}})

    def tell_ok(self, number: int) -> None:
        self.say({"type": "ok", "id": number, "sid": self.sid, "seq": self.next_seq(), "msg": self.listed()})

    def listed(self) -> dict[str, Any]:
        return {"market_tickers": list(self.watched)}

    def tell_error(self, code: int, number: int | None, **named: Any) -> None:
        answered = {} if number is None else {"id": number}
        self.say({"type": "error", **answered, "msg": {"code": code, "msg": f"no ({code})", **named}})

    def tell_snapshots(self, tickers: Iterable[str], number: int | None = None) -> None:
        for ticker in tickers:
            self.tell_snapshot(ticker, number)

    def tell_snapshot(self, ticker: str, number: int | None = None) -> None:
        answered = {} if number is None else {"id": number}
        head = {"type": "orderbook_snapshot", **answered, "sid": self.sid, "seq": self.next_seq()}
        self.say({**head, "msg": self.snapshot_body(ticker)})

    def snapshot_body(self, ticker: str) -> dict[str, Any]:
        body: dict[str, Any] = self.names(ticker)
        for side in ("yes", "no"):
            levels = self.printed(ticker, side)
            if levels:
                body[f"{side}_dollars_fp"] = levels
        return body

    def names(self, ticker: str) -> dict[str, Any]:
        return {"market_ticker": ticker, "market_id": market_id(ticker), "clock": self.venue.clocks[ticker]}

    def printed(self, ticker: str, side: str) -> list[list[str]]:
        found = sorted((p, size) for (s, p), size in self.venue.books[ticker].items() if s == side)
        if side == "no" and self.is_yes_price:
            found = [(10_000 - p, size) for p, size in reversed(found)]
        return [[price(p), count(size)] for p, size in found]

    def tell_delta(self, ticker: str, side: str, at: int, change: int) -> None:
        shown = 10_000 - at if side == "no" and self.is_yes_price else at
        body = {**self.names(ticker), "price_dollars": price(shown), "delta_fp": count(change), "side": side}
        body |= self.times()
        self.say({"type": "orderbook_delta", "sid": self.sid, "seq": self.next_seq(), "msg": body})

    def times(self) -> dict[str, Any]:
        ms = self.venue.now_ms()
        return {"ts": "2026-10-04T15:20:00.789Z", "ts_ms": ms}

    # -- bytes ---------------------------------------------------------------------------------------------------------

    def say(self, message: dict[str, Any]) -> None:
        self.say_bytes(self.encode({**message, "sending_ts_ms": self.venue.now_ms()}))

    def encode(self, message: dict[str, Any]) -> bytes:
        return json.dumps(message).encode() + b"\n"

    def say_bytes(self, payload: bytes) -> None:
        self.wire += self.framed(payload)

    def framed(self, payload: bytes) -> bytes:
        return frame(TEXT, payload)

    def ping(self) -> bytes:
        return frame(PING, b"heartbeat")

    def pong(self, payload: bytes) -> None:
        self.wire += frame(PONG, payload)

    def close(self, code: int | None, reason: str = "") -> None:
        """Say goodbye, or with None end without a word."""
        if code is not None:
            self.wire += frame(CLOSE, code.to_bytes(2, "big") + reason.encode())
        self.is_cut = True


class ScriptedVenue:
    """The truth and the counters. `reading` makes each connection's conversation."""

    def __init__(
        self, tickers: Iterable[str], reading: Callable[["ScriptedVenue"], Conversation], *, seed: int = 1
    ) -> None:
        self.books: dict[str, Levels] = {
            t: {("yes", 4000): 500, ("yes", 3900): 200, ("no", 5000): 300} for t in tickers
        }
        self.clocks: dict[str, int] = dict.fromkeys(self.books, 10)
        self.connected_at: list[float] = []
        self.commanded_at: list[float] = []
        self.requests: list[dict[str, str]] = []
        self.open: list[Conversation] = []
        self.is_frozen = False
        self._reading = reading
        self._rng = random.Random(seed)
        self._nursery: trio.Nursery | None = None
        self._outputs: dict[Conversation, trio.Event] = {}

    def now_ms(self) -> int:
        return START_MS + int(trio.current_time() * 1000)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve, and let the books move, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            while True:
                await trio.sleep(CHANGE_S)
                if not self.is_frozen:
                    self.change()
                self.flush()

    async def open_stream(self, _: Endpoint) -> trio.abc.Stream:
        """What the door's own `open_stream` is replaced by."""
        assert self._nursery is not None
        await trio.lowlevel.checkpoint()
        client, server = memory_stream_pair()
        self.connected_at.append(trio.current_time())
        self._nursery.start_soon(self._serve, server)
        return client

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Do something in a while, and send what it says."""

        async def wait() -> None:
            await trio.sleep(delay_s)
            act()
            self.flush()

        assert self._nursery is not None
        self._nursery.start_soon(wait)

    def change(self) -> None:
        """One level of one book becomes another size; those who watch are told."""
        ticker = self._rng.choice(sorted(self.books))
        side = self._rng.choice(("yes", "no"))
        at = self._rng.choice((3700, 3800, 3900, 4000)) + (1000 if side == "no" else 0)
        book = self.books[ticker]
        held = book.get((side, at), 0)
        size = self._rng.choice((0, 100, 250, 375))
        if size == held:
            return
        book[side, at] = size
        if not size:
            del book[side, at]
        self.clocks[ticker] += self._rng.choice((1, 3))
        for conversation in self.open:
            if ticker in conversation.watched:
                conversation.tell_delta(ticker, side, at, size - held)

    def flush(self) -> None:
        """Send whatever the conversations have said."""
        for conversation in self.open:
            if conversation.wire or conversation.is_cut:
                self._outputs[conversation].set()

    # -- one connection ------------------------------------------------------------------------------------------------

    async def _serve(self, stream: ServerEnd) -> None:
        conversation = self._reading(self)
        try:
            headers = await self._read_request(stream)
            refusal = conversation.refusal(len(self.connected_at))
            if refusal is not None:
                await stream.send_all(refusal)
                await stream.aclose()
                return
            await stream.send_all(_acceptance(headers["sec-websocket-key"], conversation.extensions()))
            self.open.append(conversation)
            self._outputs[conversation] = trio.Event()
            conversation.on_open()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, stream, conversation, nursery.cancel_scope)
                nursery.start_soon(self._ping, stream, conversation)
                await self._listen(stream, conversation)
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client is gone
        finally:
            if conversation in self.open:
                self.open.remove(conversation)
            await trio.aclose_forcefully(stream)

    async def _read_request(self, stream: ServerEnd) -> dict[str, str]:
        request = b""
        while b"\r\n\r\n" not in request:
            request += await stream.receive_some()
        lines = request.decode().split("\r\n")[1:]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        self.requests.append(headers)
        return headers

    async def _listen(self, stream: ServerEnd, conversation: Conversation) -> None:
        client = Connection(ConnectionType.SERVER)
        while data := await stream.receive_some():
            client.receive_data(bytes(data))
            for event in client.events():
                if isinstance(event, TextMessage):
                    self.commanded_at.append(trio.current_time())
                    conversation.hear(event.data)
                elif isinstance(event, Ping):
                    conversation.pong(bytes(event.payload))
                elif isinstance(event, CloseConnection):
                    conversation.close(1000)
            self.flush()

    async def _send(self, stream: ServerEnd, conversation: Conversation, scope: trio.CancelScope) -> None:
        while True:
            await self._outputs[conversation].wait()
            self._outputs[conversation] = trio.Event()
            data = bytes(conversation.wire)
            conversation.wire.clear()
            if data:
                await stream.send_all(data)
            if conversation.is_cut:
                scope.cancel()

    async def _ping(self, stream: ServerEnd, conversation: Conversation) -> None:
        while True:
            await trio.sleep(PING_S)
            if ping := conversation.ping():
                conversation.wire += ping
                self.flush()


def _acceptance(key: str, extensions: bytes) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + extensions + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"


def http_answer(status: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    """A refusal of the upgrade."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
