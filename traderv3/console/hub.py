"""The event log and everybody who listens: numbers what happened, keeps the newest, and fills each client's outbox.

Nothing here waits: a client's outbox is bounded, conflated by (type, entity), and emptied into a fresh snapshot when it
overflows, with the number of lost messages said. Joining is one step: the picture is taken and the client added with
nothing in between, so that no event falls between the two.
Source: the console protocol (contract), `docs/console-protocol.md`.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec
import trio

from traderv3.console import messages
from traderv3.console.status import Picture
from traderv3.domain.states import EDGES
from traderv3.domain.timestamps import rfc3339

HISTORY: Final = 20_000  # logged messages kept for a resume
TRANSITIONS: Final = 500
LINES: Final = 500
REPLAYED: Final = 20
OUTBOX: Final = 5_000
CLIENTS_MAX: Final = 200
HEARTBEAT_S: Final = 1.0

SnapshotReason = Literal["connected", "resume_too_old", "overflow"]

_encode = msgspec.json.Encoder().encode


class HubFull(Exception):
    """As many clients as allowed are connected."""


def envelope(kind: str, seq: int, at_us: int, data: object) -> bytes:
    """One message as it stands on the wire."""
    return _encode({"type": kind, "seq": seq, "timestamp": rfc3339(at_us), "data": data})


@dataclass(slots=True, eq=False)
class Client:
    """One browser. `wake` is set when something waits for it, `urgent` when that should not wait for the batch."""

    client_id: str
    batch_ms: int
    peer: tuple[str, int] | None = None
    topics: frozenset[str] | None = None  # None: everything
    markets: frozenset[str] | None = None
    outbox: OrderedDict[Hashable, bytes] = field(default_factory=OrderedDict)
    wake: trio.Event = field(default_factory=trio.Event)
    urgent: trio.Event = field(default_factory=trio.Event)
    is_overrun: bool = False
    dropped: int = 0
    sending_since: float | None = None  # Trio's clock, while a send is under way

    def wants(self, kind: str) -> bool:
        """Whether this kind of message was asked for."""
        return self.topics is None or kind in self.topics

    def put(self, kind: str, key: Hashable, encoded: bytes, *, is_urgent: bool = False) -> None:
        """Queue one message; one of the same key is replaced, the newest standing last."""
        if not self.wants(kind):
            return
        if self.outbox.pop(key, None) is None and len(self.outbox) >= OUTBOX:
            self.dropped += len(self.outbox)
            self.outbox.clear()
            self.is_overrun = True
        self.outbox[key] = encoded
        self.wake.set()
        if is_urgent:
            self.urgent.set()

    def take(self) -> list[bytes]:
        """Everything that waits, oldest first."""
        taken = list(self.outbox.values())
        self.outbox.clear()
        self.wake, self.urgent = trio.Event(), trio.Event()
        return taken


class Hub:
    """The numbered log of what happened, the newest pictures, and the clients."""

    def __init__(self, picture: Picture, *, epoch: str, version: str, wall_us: Callable[[], int]) -> None:
        self.picture = picture
        self.epoch = epoch
        self.seq = 0
        self.clients: set[Client] = set()
        self.transitions: deque[messages.StateTransition] = deque(maxlen=TRANSITIONS)
        self.lines: deque[messages.ConsoleLine] = deque(maxlen=LINES)
        self.alerts: dict[str, messages.Alert] = {}
        self.dropped_gone = 0  # by clients that have left
        self.commands: tuple[str, ...] = ()
        self.stopping = trio.Event()
        self._version = version
        self._wall_us = wall_us
        self._ring: deque[tuple[int, str, bytes]] = deque(maxlen=HISTORY)
        self._clients_made = 0

    @property
    def dropped(self) -> int:
        """Messages that some client did not get."""
        return self.dropped_gone + sum(client.dropped for client in self.clients)

    def log(self, kind: str, data: messages.Message) -> None:
        """Give a logged message its number and send it to everybody."""
        assert kind in messages.LOGGED, f"{kind} is not a logged kind"
        self.seq += 1
        encoded = envelope(kind, self.seq, self._wall_us(), data)
        self._ring.append((self.seq, kind, encoded))
        if isinstance(data, messages.StateTransition):
            self.transitions.append(data)
        elif isinstance(data, messages.ConsoleLine):
            self.lines.append(data)
        elif isinstance(data, messages.Alert):
            self._keep_alert(data)
        for client in self.clients:
            client.put(kind, self.seq, encoded, is_urgent=kind in messages.URGENT)

    def show(self, kind: str, entity: str, data: messages.Message, *, is_urgent: bool = False) -> None:
        """Send the latest of something that replaces itself; it carries the newest number without consuming one."""
        if not self.clients:
            return
        encoded = envelope(kind, self.seq, self._wall_us(), data)
        for client in self.clients:
            if kind == "market" and client.markets is not None and entity not in client.markets:
                continue
            client.put(kind, (kind, entity), encoded, is_urgent=is_urgent)

    def tell(self, client: Client, kind: str, data: messages.Message) -> None:
        """Send one client an answer of its own, at once."""
        client.put(kind, (kind, object()), envelope(kind, self.seq, self._wall_us(), data), is_urgent=True)

    def heartbeat(self, lag_ms: float) -> None:
        """Show every client that we live, and what it lost."""
        for client in self.clients:
            beat = messages.Heartbeat(dropped=client.dropped, lag_ms=lag_ms)
            client.put("heartbeat", "heartbeat", envelope("heartbeat", self.seq, self._wall_us(), beat))

    def join(
        self,
        *,
        batch_ms: int,
        epoch: str | None,
        last_seq: int | None,
        peer: tuple[str, int] | None = None,
        topics: frozenset[str] | None = None,
        markets: frozenset[str] | None = None,
    ) -> tuple[Client, list[bytes]]:
        """Add a client; return it with its first frames. One step: nothing happens between picture and membership.

        With our epoch and a number still in the history only what came after it is repeated; else a full snapshot.
        Raises `HubFull`.
        """
        if len(self.clients) >= CLIENTS_MAX:
            msg = f"{CLIENTS_MAX} consoles are connected already"
            raise HubFull(msg)
        self._clients_made += 1
        client = Client(
            client_id=f"c{self._clients_made}", batch_ms=batch_ms, peer=peer, topics=topics, markets=markets
        )
        missed = self._since(last_seq, client) if epoch == self.epoch and last_seq is not None else None
        first = [self._connection(client, resumed=missed is not None)]
        if missed is None:
            is_late = epoch == self.epoch and last_seq is not None
            first.append(self.snapshot("resume_too_old" if is_late else "connected", client))
        else:
            first += missed
        newest = list(self.transitions)[-REPLAYED:]
        if client.wants("history_replay"):
            history = messages.HistoryReplay(transitions=newest, count=len(newest))
            first.append(self._frame("history_replay", history))
        if client.wants("trader_status"):
            first.append(self._frame("trader_status", self.picture.trader_status()))
        self.clients.add(client)
        return client, first

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self.dropped_gone += client.dropped
        self.clients.discard(client)

    def snapshot(self, reason: SnapshotReason, client: Client) -> bytes:
        """The full picture, encoded."""
        status = self.picture.status(list(self.transitions)[-REPLAYED:])
        whole = messages.Snapshot(
            **{name: getattr(status, name) for name in status.__struct_fields__},
            reason=reason,
            dropped=client.dropped,
            market_tops=self.picture.market_tops(),
            log=list(self.lines),
            alerts=list(self.alerts.values()),
        )
        return self._frame("snapshot", whole)

    def batch(self, frames: list[bytes]) -> bytes:
        """Several messages as one frame, each encoded once for everybody; the frame has no number of its own."""
        head = b'{"type":"batch","timestamp":"%s","data":{"items":[' % rfc3339(self._wall_us()).encode()
        return head + b",".join(frames) + b"]}}"

    def events_after(self, seq: int) -> list[tuple[int, bytes]]:
        """Logged messages with a number above `seq` that are still kept, oldest first, each with its number."""
        return [(number, encoded) for number, _, encoded in self._ring if number > seq]

    def _since(self, last_seq: int, client: Client) -> list[bytes] | None:
        oldest = self._ring[0][0] if self._ring else self.seq + 1
        if not oldest - 1 <= last_seq <= self.seq:
            return None
        return [encoded for number, kind, encoded in self._ring if number > last_seq and client.wants(kind)]

    def _connection(self, client: Client, *, resumed: bool) -> bytes:
        data = messages.Connection(
            protocol=1,
            client_id=client.client_id,
            epoch=self.epoch,
            seq=self.seq,
            resumed=resumed,
            environment=self.picture.sources.environment,
            server_version=self._version,
            states={state.value: [t.value for t in EDGES if t in targets] for state, targets in EDGES.items()},
            commands=list(self.commands),
            heartbeat_s=HEARTBEAT_S,
        )
        return self._frame("connection", data)

    def _frame(self, kind: str, data: messages.Message) -> bytes:
        return envelope(kind, self.seq, self._wall_us(), data)

    def _keep_alert(self, alert: messages.Alert) -> None:
        if alert.is_active:
            self.alerts[alert.id] = alert
        else:
            self.alerts.pop(alert.id, None)
