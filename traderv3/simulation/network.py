"""The network between trader and exchange: byte streams in memory, with whatever networks do to them.

A connection is two pipes. Bytes arrive in order, late, in pieces; a pipe may be held (nothing arrives, TCP stays up), a
connection may be reset, at once or after so many bytes. A sender waits once `UNREAD_BYTES_MAX` are under way.
Units: virtual seconds; bytes.
Never: a byte changed, lost or doubled inside a stream: TCP does not do that. Lost frames are the exchange's faults.
"""

import random
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import trio

from traderv3.config.endpoints import Endpoint, check_host
from traderv3.domain.errors import ConnectivityError
from traderv3.simulation.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable

UNREAD_BYTES_MAX: Final = 128 * 1024  # a socket's buffers
LATENCY_S: Final = (0.001, 0.02)
ATTEMPTS_KEPT: Final = 25
TORN_SHARE: Final = 0.2  # reads that end in the middle of what is there

TO_TRADER: Final = "to trader"
TO_EXCHANGE: Final = "to exchange"

PRESENT: Final[ContextVar["Connection"]] = ContextVar("connection")  # whose server's task this is


class Pipe:
    """One direction of a connection."""

    def __init__(self, connection: "Connection", rng: random.Random, latency_s: float) -> None:
        self.latency_s = latency_s
        self.piece_max = 1 << 30  # bytes that one read brings at most
        self.held_until_s = 0.0
        self.cut_in: int | None = None  # the connection is reset after so many further bytes
        self.arrived = FrameCount()
        self.has_reader = True  # until it closes
        self._connection = connection
        self._rng = rng
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._ends_at: float | None = None
        self._changed = trio.Event()

    def change(self) -> None:
        """Something is different: whoever waits looks again."""
        self._changed.set()
        self._changed = trio.Event()

    def hold(self, until_s: float) -> None:
        """Nothing arrives before then; infinite: ever."""
        self.held_until_s = max(self.held_until_s, until_s)
        self.change()

    async def send(self, data: bytes) -> None:
        """Put bytes on their way."""
        await trio.lowlevel.checkpoint()
        while True:
            self._check_sending()
            if self._size < UNREAD_BYTES_MAX:
                break
            await self._changed.wait()
        if data:
            self._under_way.append((trio.current_time() + self.latency_s, data))
            self._size += len(data)
            self.change()

    def _check_sending(self) -> None:
        if self._ends_at is not None:
            raise trio.ClosedResourceError
        if self._connection.is_reset or not self.has_reader:
            raise trio.BrokenResourceError

    async def receive(self, max_bytes: int | None) -> bytes:
        """Some of what has arrived; empty at the end."""
        await trio.lowlevel.checkpoint()
        while True:
            if not self.has_reader:
                raise trio.ClosedResourceError
            if self._connection.is_reset:
                raise trio.BrokenResourceError
            if self._under_way:
                due_s = max(self._under_way[0][0], self.held_until_s)
                if due_s <= trio.current_time():
                    return self._take(max_bytes or UNREAD_BYTES_MAX)
            elif self._ends_at is not None:
                due_s = max(self._ends_at, self.held_until_s)
                if due_s <= trio.current_time():
                    return b""
            else:
                due_s = float("inf")
            changed = self._changed
            with trio.move_on_at(due_s):
                await changed.wait()

    def _take(self, max_bytes: int) -> bytes:
        now_s = trio.current_time()
        most = min(max_bytes, self.piece_max)
        if self.cut_in is not None:
            most = min(most, self.cut_in)
        taken = bytearray()
        while self._under_way and self._under_way[0][0] <= now_s and len(taken) < most:
            taken += self._under_way.popleft()[1]
        if len(taken) > 1 and self._rng.random() < TORN_SHARE:
            most = min(most, self._rng.randrange(1, len(taken)))
        if len(taken) > most:
            self._under_way.appendleft((now_s, bytes(taken[most:])))
            del taken[most:]
        self._size -= len(taken)
        self.arrived.take(taken)
        if self.cut_in is not None:
            self.cut_in -= len(taken)
            if self.cut_in <= 0:
                self._connection.reset("in the middle")
        self.change()
        return bytes(taken)

    def end(self) -> None:
        """The sender has closed: the reader finds the end behind what is under way."""
        if self._ends_at is None:
            self._ends_at = trio.current_time() + self.latency_s
            self.change()

    def abandon(self) -> None:
        """The reader has closed."""
        self.has_reader = False
        self._under_way.clear()
        self._size = 0
        self.change()


class FrameCount:
    """Counts whole WebSocket text messages in a server's bytes, behind the answer to the handshake."""

    def __init__(self) -> None:
        self.messages = 0
        self._rest = bytearray()
        self._is_open = False

    def take(self, data: bytes | bytearray) -> None:
        """Further bytes of the stream."""
        rest = self._rest
        rest += data
        if not self._is_open:
            end = rest.find(b"\r\n\r\n")
            if end < 0:
                return
            del rest[: end + 4]
            self._is_open = True
        while len(rest) >= 2:
            length, head = rest[1] & 0x7F, 2
            if length > 125:
                head = 4 if length == 126 else 10
                length = int.from_bytes(rest[2:head], "big")
            if len(rest) < head + length:
                return
            self.messages += rest[0] & 0x0F == 1
            del rest[: head + length]


class End(trio.abc.Stream):
    """One end of a connection."""

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Some of what has arrived; empty at the end. Raises `BrokenResourceError` after a reset."""
        return await self._incoming.receive(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send. Raises `BrokenResourceError` after a reset, or when the other end has closed."""
        await self._outgoing.send(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        """Ready at any time."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close both ways; the other end finds out by and by."""
        self._outgoing.end()
        self._incoming.abandon()
        await trio.lowlevel.checkpoint()


class Connection:
    """One connection of an actor of the trader; `number` counts them from 1."""

    def __init__(self, number: int, actor: str, rng: random.Random, latency_s: float) -> None:
        self.number = number
        self.actor = actor
        self.is_reset = False
        self.why_reset = ""
        self.pipes = {name: Pipe(self, rng, latency_s) for name in (TO_TRADER, TO_EXCHANGE)}
        self.trader_end = End(self.pipes[TO_TRADER], self.pipes[TO_EXCHANGE])
        self.exchange_end = End(self.pipes[TO_EXCHANGE], self.pipes[TO_TRADER])

    @property
    def is_left_open(self) -> bool:
        """The trader has not closed it."""
        return self.pipes[TO_TRADER].has_reader

    def reset(self, why: str) -> None:
        """Cut: both ends find a broken stream, and what was under way is lost."""
        if not self.is_reset:
            self.is_reset, self.why_reset = True, why
            for pipe in self.pipes.values():
                pipe.change()


class Network:
    """All connections, and the weather that new ones meet."""

    def __init__(self, rng: random.Random, trace: Trace) -> None:
        self.connections: list[Connection] = []
        self.accept: Callable[[Connection], None] | None = None  # None: nobody listens
        self.refuses_until_s = 0.0
        self.slow_until_s, self.slow_s = 0.0, 0.0
        self.lost_until_s = 0.0  # new connections go nowhere
        self.attempts: dict[str, deque[float]] = {}  # by actor: when it tried to connect lately
        self.next_cut: tuple[str, int] | None = None  # of the next connection: the direction, and after how many bytes
        self._rng = rng
        self._trace = trace

    async def open_stream(self, endpoint: Endpoint) -> trio.abc.Stream:
        """Connect, as `clients.transport.open_stream` does. Raises `ConnectivityError`, `EnvironmentMismatch`."""
        check_host(endpoint.environment, endpoint.host, endpoint.port, endpoint.scheme)
        latency_s = self._rng.uniform(*LATENCY_S)
        now_s = trio.current_time()
        actor = trio.lowlevel.current_task().name
        self.attempts.setdefault(actor, deque(maxlen=ATTEMPTS_KEPT)).append(now_s)
        await trio.sleep(max(self.lost_until_s - now_s, self.slow_s if now_s < self.slow_until_s else latency_s))
        if self.accept is None or trio.current_time() < self.refuses_until_s:
            msg = f"cannot connect to {endpoint.authority}: refused"
            raise ConnectivityError(msg)
        connection = Connection(len(self.connections) + 1, actor, self._rng, latency_s)
        self.connections.append(connection)
        if self.next_cut is not None:
            (direction, count), self.next_cut = self.next_cut, None
            connection.pipes[direction].cut_in = count
        self._trace.note("link", f"connection {connection.number} of {actor}")
        self.accept(connection)
        return connection.trader_end

    def fall(self) -> None:
        """Everything is cut: the end of a run that does not end by itself."""
        for connection in self.connections:
            connection.reset("the end of the run")

    @property
    def standing(self) -> list[Connection]:
        """The newest connection of each actor, unless it was reset."""
        newest = {connection.actor: connection for connection in self.connections}
        return [connection for connection in newest.values() if not connection.is_reset]
