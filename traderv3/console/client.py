"""One browser as the hub sees it: what it asked for, and a bounded outbox conflated by (type, entity).

Units: names in `_s` are seconds of Trio's clock.
Never: a wait. Whoever fills an outbox goes on at once; a full one is emptied, counted, and made good by a snapshot.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from traderv3.console.wire import Wire

OUTBOX: Final = 5_000
BOOKS_MAX: Final = 4  # whole books that one client may watch
HZ_MIN: Final = 0.1

# What comes whatever the topics: without it a page does not know where it stands.
ALWAYS: Final = frozenset({"connection", "snapshot", "heartbeat", "pong", "command_result"})
# Kinds that show one market, and so obey `markets` (tops) or `books` (whole books).
MARKET_KINDS: Final = frozenset({"market", "book"})
# Answers to this client, which no snapshot makes good.
ANSWERS: Final = frozenset({"command_result", "pong"})


@dataclass(slots=True, eq=False)
class Frame:
    """One message as it stands on the wire, encoded once for every client."""

    kind: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a client wants to see. None means all, except of whole books, which are chosen by ticker.

    `books`: whose whole book is sent. None: those of `markets`, if these are few enough to have been meant.
    `max_hz`: bulk is gathered for at least so long; None: no longer than the client's batch.
    """

    topics: frozenset[str] | None = None
    markets: frozenset[str] | None = None
    books: frozenset[str] | None = None
    max_hz: float | None = None

    def __post_init__(self) -> None:
        assert self.books is None or len(self.books) <= BOOKS_MAX
        assert self.max_hz is None or self.max_hz > 0

    @property
    def watched(self) -> frozenset[str]:
        """Tickers whose whole book is sent."""
        if not self.wants("book"):
            return frozenset()
        if self.books is not None:
            return self.books
        return self.markets if self.markets is not None and len(self.markets) <= BOOKS_MAX else frozenset()

    def wants(self, kind: str, entity: str = "") -> bool:
        """Whether a message of this kind about this market (or none) was asked for."""
        if self.topics is not None and kind not in self.topics and kind not in ALWAYS:
            return False
        if not entity or kind not in MARKET_KINDS:
            return True
        if kind == "book":
            return entity in self.watched
        return self.markets is None or entity in self.markets


@dataclass(slots=True, eq=False)
class Client:
    """One browser. `wake` is set when something waits for it, `urgent` when that should not wait for the batch."""

    client_id: str
    batch_ms: int
    peer: tuple[str, int] | None = None
    wishes: Wishes = field(default_factory=Wishes)
    watched: frozenset[str] = frozenset()  # `wishes.watched`, which is asked for at every book
    outbox: OrderedDict[Hashable, Frame] = field(default_factory=OrderedDict)
    wake: trio.Event = field(default_factory=trio.Event)
    urgent: trio.Event = field(default_factory=trio.Event)
    wire: "Wire | None" = (
        None  # where the courier sends; None: the conversation does, or its first messages are not out
    )
    due_at: float = 0.0  # when bulk may be sent again
    is_overrun: bool = False
    dropped: int = 0
    sending_since: float | None = None  # while a send is under way
    urgent_since: float | None = None  # when the oldest urgent message that waits came

    def __post_init__(self) -> None:
        self.watched = self.wishes.watched

    def wish(self, wishes: Wishes) -> None:
        """From now on send this. What waits in the outbox and is not wanted any more goes nowhere."""
        self.wishes = wishes
        self.watched = wishes.watched
        unwanted = [key for key, frame in self.outbox.items() if not wishes.wants(frame.kind, _entity(key))]
        for key in unwanted:
            del self.outbox[key]

    @property
    def gather_s(self) -> float:
        """How long bulk is gathered before it is sent."""
        paced_s = 0.0 if self.wishes.max_hz is None else 1 / max(self.wishes.max_hz, HZ_MIN)
        return max(self.batch_ms / 1000, paced_s)

    def put(self, key: Hashable, frame: Frame, *, urgent_at: float | None = None) -> None:
        """Queue one message; one of the same key is replaced, the newest standing last. `urgent_at`: now, if it is urgent."""
        if self.outbox.pop(key, None) is None and len(self.outbox) >= OUTBOX:
            self.dropped += len(self.outbox)
            self.outbox.clear()
            self.is_overrun = True
        self.outbox[key] = frame
        self.wake.set()
        if urgent_at is not None:
            self.urgent.set()
            if self.urgent_since is None:
                self.urgent_since = urgent_at

    def take(self) -> list[Frame]:
        """Everything that waits, oldest first."""
        taken = list(self.outbox.values())
        self.outbox.clear()
        self.wake, self.urgent = trio.Event(), trio.Event()
        return taken


def _entity(key: Hashable) -> str:
    """The market that a conflated message is about; nothing for others."""
    return key[1] if isinstance(key, tuple) and isinstance(key[1], str) else ""
