"""The event log and everybody who listens: numbers what happened, keeps the newest, and fills each client's outbox.

Nothing here waits. Joining is one step: the picture is taken and the client added with nothing in between, so that no
event falls between the two. Whenever a snapshot is given, the past keeps the same moment.
Source: the console protocol (contract), `docs/console-protocol.md`.
"""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, Literal

import msgspec
import trio

from traderv3.console import messages
from traderv3.console.client import ANSWERS, Client, Frame, Wishes
from traderv3.console.past import Past
from traderv3.console.snapshots import REPLAYED, Slices, assemble, read_parts
from traderv3.console.status import Picture, encode
from traderv3.domain.latency import Latency
from traderv3.domain.states import EDGES
from traderv3.domain.timestamps import rfc3339

HISTORY: Final = 20_000  # logged messages kept for a resume
CLIENTS_MAX: Final = 200
HEARTBEAT_S: Final = 1.0

SnapshotReason = Literal["connected", "resume_too_old", "overflow"]


class HubFull(Exception):
    """As many clients as allowed are connected."""


def envelope(kind: str, seq: int, at_us: int, data: object) -> bytes:
    """One message as it stands on the wire."""
    return encode({"type": kind, "seq": seq, "timestamp": rfc3339(at_us), "data": data})


class Hub:
    """The numbered log of what happened, the newest pictures, and the clients."""

    def __init__(
        self, picture: Picture, *, epoch: str, version: str, wall_us: Callable[[], int], event_to_socket: Latency
    ) -> None:
        self.picture = picture
        self.epoch = epoch
        self.seq = 0
        self.clients: set[Client] = set()
        self.slices = Slices()
        self.slices.risk = picture.sources.risk()
        self.past = Past()
        self.event_to_socket = event_to_socket
        self.dropped_gone = 0  # by clients that have left
        self.commands: tuple[str, ...] = ()
        self.stopping = trio.Event()
        self.urgent = trio.Event()  # something should be sent at once; the courier makes it anew
        self._version = version
        self._wall_us = wall_us
        self._ring: deque[tuple[int, Frame]] = deque(maxlen=HISTORY)
        # The latest of everything that replaces itself, with the number at which it was shown, oldest first.
        self._shown: dict[tuple[str, str], tuple[int, bytes]] = {}
        self._clients_made = 0

    @property
    def dropped(self) -> int:
        """Messages that some client did not get."""
        return self.dropped_gone + sum(client.dropped for client in self.clients)

    @property
    def watched(self) -> set[str]:
        """Tickers whose whole book some client sees."""
        return set().union(*(client.watched for client in self.clients))

    # -- telling -------------------------------------------------------------------------------------------------------

    def log(self, kind: str, data: messages.Message) -> None:
        """Give a logged message its number and send it to everybody who wants it."""
        assert kind in messages.LOGGED, f"{kind} is not a logged kind"
        self.seq += 1
        if isinstance(data, messages.StateTransition | messages.ConsoleLine):
            data = msgspec.structs.replace(data, seq=self.seq)
        frame = Frame(kind, envelope(kind, self.seq, self._wall_us(), data))
        self._ring.append((self.seq, frame))
        self.slices.take(data)
        self.past.note(frame.payload)
        urgent_at = self._hurry() if kind in messages.URGENT else None
        for client in self.clients:
            if client.wishes.wants(kind):
                client.put(self.seq, frame, urgent_at=urgent_at)

    def show(self, kind: str, entity: str, data: messages.Message | bytes, *, is_urgent: bool = False) -> None:
        """Send the latest of something that replaces itself; it carries the newest number without consuming one."""
        key = (kind, entity)
        encoded = data if isinstance(data, bytes) else encode(data)
        self._shown.pop(key, None)
        self._shown[key] = (self.seq, encoded)
        if self.clients:
            frame = self._frame(kind, msgspec.Raw(encoded))
            urgent_at = self._hurry() if is_urgent else None
            for client in self.clients:
                if client.wishes.wants(kind, entity):
                    client.put(key, frame, urgent_at=urgent_at)

    def show_markets(self, tickers: Iterable[str] | None = None) -> None:
        """Show every top, or those of some markets, that has changed since it was shown last."""
        books, top, shown = self.picture.sources.feed.books, self.picture.top, self._shown
        for ticker in books if tickers is None else tickers:
            if ticker in books:
                encoded = top(books[ticker])
                held = shown.get(("market", ticker))
                if held is None or held[1] is not encoded:
                    self.show("market", ticker, encoded)

    def show_books(self) -> None:
        """Show every whole book that a client watches and that has changed since it was shown last."""
        for ticker, book in self.picture.books(self.watched).items():
            held = self._shown.get(("book", ticker))
            if held is None or held[1] is not book:
                self.show("book", ticker, book)

    def tell(self, client: Client, kind: str, data: messages.Message) -> None:
        """Send one client an answer of its own, at once."""
        client.put((kind, object()), self._frame(kind, data), urgent_at=self._hurry())

    def heartbeat(self, lag_ms: float) -> None:
        """Show every client that we live, and what it lost."""
        frames: dict[int, Frame] = {}
        for client in self.clients:
            frame = frames.get(client.dropped)
            if frame is None:
                beat = messages.Heartbeat(dropped=client.dropped, lag_ms=lag_ms)
                frame = frames[client.dropped] = self._frame("heartbeat", beat)
            client.put("heartbeat", frame)

    # -- joining and leaving -------------------------------------------------------------------------------------------

    def join(
        self,
        *,
        batch_ms: int,
        epoch: str | None,
        last_seq: int | None,
        peer: tuple[str, int] | None = None,
        wishes: Wishes | None = None,
    ) -> tuple[Client, list[Frame]]:
        """Add a client; return it with its first frames. One step: nothing happens between picture and membership.

        With our epoch and a number still in the history, what came after it and what has changed since; else a snapshot.
        Raises `HubFull`.
        """
        if len(self.clients) >= CLIENTS_MAX:
            msg = f"{CLIENTS_MAX} consoles are connected already"
            raise HubFull(msg)
        self._clients_made += 1
        client = Client(f"c{self._clients_made}", batch_ms, peer, wishes or Wishes())
        self.show_markets()
        self.clients.add(client)
        missed = self._missed(last_seq, client) if epoch == self.epoch and last_seq is not None else None
        first = [self._connection(client, resumed=missed is not None)]
        if missed is None:
            is_late = epoch == self.epoch and last_seq is not None
            first.append(self.snapshot("resume_too_old" if is_late else "connected", client))
        else:
            first += missed
        newest = list(self.slices.transitions)[-REPLAYED:]
        if client.wishes.wants("history_replay"):
            first.append(self._frame("history_replay", messages.HistoryReplay(transitions=newest, count=len(newest))))
        if client.wishes.wants("trader_status"):
            first.append(self._frame("trader_status", self.picture.trader_status()))
        client.take()  # whatever was shown meanwhile is in these
        return client, first

    def follow(self, client: Client, wishes: Wishes) -> None:
        """Send a client something else from now on. What it did not see before comes at once, as it stands."""
        before = client.wishes
        client.wish(wishes)
        self.show_books()
        for (kind, entity), (_, encoded) in self._shown.items():
            if wishes.wants(kind, entity) and not before.wants(kind, entity):
                client.put((kind, entity), self._frame(kind, msgspec.Raw(encoded)), urgent_at=self._hurry())

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self.dropped_gone += client.dropped
        self.clients.discard(client)

    def collect(self, client: Client) -> list[Frame]:
        """What to send now: the outbox, or after an overflow a snapshot in its place, behind the answers that it owes."""
        waiting = client.take()
        if not client.is_overrun:
            return waiting
        client.is_overrun = False
        return [*(frame for frame in waiting if frame.kind in ANSWERS), self.snapshot("overflow", client)]

    # -- pictures ------------------------------------------------------------------------------------------------------

    def snapshot(self, reason: SnapshotReason, client: Client) -> Frame:
        """The full picture, which the past keeps as well."""
        parts = self.keep_moment()
        whole = assemble(parts, self.slices, reason=reason, dropped=client.dropped, wishes=client.wishes)
        return self._frame("snapshot", msgspec.Raw(whole))

    def keep_moment(self) -> dict[str, bytes]:
        """Let the past keep the picture as it is now; returns its parts."""
        self.show_markets()
        self.show_books()
        parts = read_parts(self.picture, self.watched)
        self.past.keep(self.seq, self._wall_us(), parts, self.slices)
        self._forget_markets()
        return parts

    def batch(self, frames: list[Frame]) -> bytes:
        """Several messages as one frame, each encoded once for everybody; the frame has no number of its own."""
        head = b'{"type":"batch","timestamp":"%s","data":{"items":[' % rfc3339(self._wall_us()).encode()
        return head + b",".join(frame.payload for frame in frames) + b"]}}"

    def events_after(self, seq: int, most: int) -> list[tuple[int, bytes]]:
        """Up to `most` logged messages with a number above `seq` that are still kept, oldest first, with their numbers."""
        first = self._ring[0][0] if self._ring else 0
        found = islice(self._ring, max(0, seq + 1 - first), max(0, seq + 1 - first) + most)
        return [(number, frame.payload) for number, frame in found]

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _missed(self, last_seq: int, client: Client) -> list[Frame] | None:
        """The events after a number, then the latest of what may have changed since; None if too much is gone."""
        oldest = self._ring[0][0] if self._ring else self.seq + 1
        if not oldest - 1 <= last_seq <= self.seq:
            return None
        events = [frame for number, frame in self._ring if number > last_seq and client.wishes.wants(frame.kind)]
        self.show_books()
        latest = [
            self._frame(kind, msgspec.Raw(encoded))
            for (kind, entity), (at_seq, encoded) in self._shown.items()
            if (at_seq >= last_seq or kind == "book") and kind != "trader_status" and client.wishes.wants(kind, entity)
        ]
        return events + latest

    def _connection(self, client: Client, *, resumed: bool) -> Frame:
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

    def _hurry(self) -> float:
        """Wake the courier for what is urgent; returns since when it waits."""
        self.urgent.set()
        return self.picture.sources.steady_s()

    def _frame(self, kind: str, data: object) -> Frame:
        return Frame(kind, envelope(kind, self.seq, self._wall_us(), data))

    def _forget_markets(self) -> None:
        """Show nothing of markets that are held no more, nor books that nobody watches."""
        books, watched = self.picture.sources.feed.books, self.watched
        gone = [
            (kind, entity)
            for kind, entity in self._shown
            if (kind == "market" and entity not in books) or (kind == "book" and entity not in watched)
        ]
        for key in gone:
            del self._shown[key]
