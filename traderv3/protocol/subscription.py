"""One connection's order-book subscription: which markets it should have, what was asked of the venue, how it lives.

    IDLE --subscribe--> SUBSCRIBING --subscribed--> STREAMING <--repaired/gap--> BROKEN
    SUBSCRIBING --refused--> IDLE      STREAMING, BROKEN --over--> IDLE      (the venue ended it: subscribe again)
    STREAMING, BROKEN --leave--> LEAVING --over--> IDLE                      (we end it, to subscribe again)
    any --ended--> ENDED (the connection must be made anew)

A connection has one such subscription; a second `subscribe` would only be merged into it (Kalshi, October 2025).
Units: seconds of any monotonic clock.
Never: hammering. A command that came too soon is repeated after a growing pause, and a subscription that has to be made
anew again and again costs the connection.
"""

import enum
from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Items
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from traderv3.protocol import wire
from traderv3.protocol.sequence import Sequence


class Stream(enum.Enum):
    """Where the subscription is in its life."""

    IDLE = "idle"
    SUBSCRIBING = "subscribing"
    STREAMING = "streaming"
    BROKEN = "broken"
    LEAVING = "leaving"
    ENDED = "ended"


class Input(enum.Enum):
    """What can happen to a subscription."""

    SUBSCRIBE = "subscribe"
    SUBSCRIBED = "subscribed"
    REFUSED = "refused"
    GAP = "gap"
    REPAIRED = "repaired"
    LEAVE = "leave"
    OVER = "over"
    ENDED = "ended"


TRANSITIONS: Final[Mapping[tuple[Stream, Input], Stream]] = MappingProxyType(
    {
        (Stream.IDLE, Input.SUBSCRIBE): Stream.SUBSCRIBING,
        (Stream.IDLE, Input.ENDED): Stream.ENDED,
        (Stream.SUBSCRIBING, Input.SUBSCRIBED): Stream.STREAMING,
        (Stream.SUBSCRIBING, Input.REFUSED): Stream.IDLE,
        (Stream.SUBSCRIBING, Input.ENDED): Stream.ENDED,
        (Stream.STREAMING, Input.GAP): Stream.BROKEN,
        (Stream.STREAMING, Input.REPAIRED): Stream.STREAMING,  # one market's own repair
        (Stream.STREAMING, Input.LEAVE): Stream.LEAVING,
        (Stream.STREAMING, Input.OVER): Stream.IDLE,
        (Stream.STREAMING, Input.ENDED): Stream.ENDED,
        (Stream.BROKEN, Input.GAP): Stream.BROKEN,
        (Stream.BROKEN, Input.REPAIRED): Stream.STREAMING,
        (Stream.BROKEN, Input.LEAVE): Stream.LEAVING,
        (Stream.BROKEN, Input.OVER): Stream.IDLE,
        (Stream.BROKEN, Input.ENDED): Stream.ENDED,
        (Stream.LEAVING, Input.OVER): Stream.IDLE,
        (Stream.LEAVING, Input.ENDED): Stream.ENDED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """The session's bounds; see `config.limits` for the reasons."""

    chunk: int = 200  # tickers in one command
    answer_s: float = 5.0  # a command or a snapshot unanswered for so long is asked for again, then the connection goes
    asks_max: int = 2
    settle_us: int = 1_000_000  # a book crossed for so long without a message is wrong
    repair_s: float = 0.25  # between the repairs of two gaps: a lossy line must not make us hammer
    distrust_s_first: float = 0.5  # second repair in a row of one market waits, then twice as long
    distrust_s_max: float = 30.0
    calm_s: float = 5.0  # a book that stood so long since its snapshot is not in a row of repairs any more
    pause_s: float = 5.0  # after "too many requests", then twice as long each time
    pause_s_max: float = 60.0
    absent_s: float = 60.0  # a market that the venue did not take is asked for again
    late_max: int = 3  # numbers used before, in a row: the stream cannot be followed any more
    restarts_max: int = 3  # subscriptions made anew on one connection within `restarts_s`; then the connection goes
    restarts_s: float = 60.0
    restart_s_first: float = 1.0  # the second of them waits, the third twice as long


class Ask(enum.Enum):
    """What a command asks of the venue."""

    SUBSCRIBE = "subscribe"
    ADD = "add_markets"
    DELETE = "delete_markets"
    SNAPSHOT = "get_snapshot"
    UNSUBSCRIBE = "unsubscribe"


JOINING: Final = frozenset({Ask.SUBSCRIBE, Ask.ADD})


@dataclass(frozen=True, slots=True)
class Asked:
    """One command sent and not answered."""

    ask: Ask
    tickers: tuple[str, ...]
    sent_s: float


class Subscription:
    """What the venue streams to us (`sid`, `members`), should stream, and was asked for (`pending` by command id).

    `members` are the markets that were asked for, confirmed or not.
    """

    def __init__(self, limits: SessionLimits) -> None:
        self.state = Stream.IDLE
        self.sid: int | None = None
        self.sequence = Sequence()
        self.members: set[str] = set()
        self.pending: dict[int, Asked] = {}
        self._limits = limits
        self._wanted: list[str] = []
        self._parts: deque[tuple[str, ...]] = deque()  # of commands that failed: each as small as it must be
        self._unwanted: list[str] = []
        self._leaving: int | None = None  # the sid to unsubscribe from
        self._past: deque[int] = deque(maxlen=16)  # sids that were ours: what still comes of them is passed over
        self._restarts_s: deque[float] = deque(maxlen=limits.restarts_max + 1)
        self._subscribe_due_s = 0.0
        self._hold_until_s = 0.0
        self._holds_in_a_row = 0
        self._next_id = 1

    @property
    def is_open(self) -> bool:
        """The venue streams to us."""
        return self.state in (Stream.STREAMING, Stream.BROKEN)

    @property
    def is_quiet(self) -> bool:
        """The venue streams all that it should, owes no answer, and there is nothing to ask of it."""
        is_owed = self.pending or self._wanted or self._parts or self._unwanted
        return self.state is Stream.STREAMING and not is_owed

    def step(self, happened: Input) -> None:
        """Move as the table says; anything else is a bug of ours."""
        target = TRANSITIONS.get((self.state, happened))
        assert target is not None, f"{self.state} cannot take {happened}"
        self.state = target

    # -- which markets -------------------------------------------------------------------------------------------------

    def join(self, tickers: Iterable[str]) -> None:
        """These should be streamed."""
        self._wanted += tickers

    def leave(self, tickers: Iterable[str]) -> None:
        """These should not be streamed any more."""
        gone = tuple(tickers)
        self._unwanted += [ticker for ticker in gone if ticker in self.members]
        self.drop(gone)

    def drop(self, tickers: Iterable[str]) -> None:
        """These are not streamed, and the venue is not to be asked for them."""
        gone = set(tickers)
        self.members -= gone
        self._wanted = [ticker for ticker in self._wanted if ticker not in gone]
        self._parts = deque(tuple(t for t in part if t not in gone) for part in self._parts)

    def joining(self) -> set[str]:
        """Markets whose subscription was asked for and not confirmed."""
        return {t for asked in self.pending.values() if asked.ask in JOINING for t in asked.tickers}

    # -- commands ------------------------------------------------------------------------------------------------------

    def take_commands(self, now_s: float) -> list[tuple[Asked, bytes]]:
        """What to ask now so that the venue streams what it should."""
        out: list[tuple[Asked, bytes]] = []
        if self.is_held(now_s):
            return out
        if self.state is Stream.LEAVING and self._leaving is not None:
            out.append(self._ask(Ask.UNSUBSCRIBE, (), now_s, self._leaving))
            self._leaving = None
        elif self.state is Stream.IDLE and now_s >= self._subscribe_due_s and (chunk := self._take_chunk()):
            self.step(Input.SUBSCRIBE)
            out.append(self._ask(Ask.SUBSCRIBE, chunk, now_s))
        elif self.is_open:
            while self._unwanted:  # before the additions: one that returns must have gone first
                chunk = tuple(self._unwanted[: self._limits.chunk])
                del self._unwanted[: self._limits.chunk]
                out.append(self._ask(Ask.DELETE, chunk, now_s))
            while chunk := self._take_chunk():
                out.append(self._ask(Ask.ADD, chunk, now_s))
        return out

    def ask_snapshots(self, tickers: Items[str], now_s: float) -> list[bytes]:
        """Commands that ask for snapshots of these, in chunks."""
        size = self._limits.chunk
        chunks = [tuple(tickers[at : at + size]) for at in range(0, len(tickers), size)]
        return [self._ask(Ask.SNAPSHOT, chunk, now_s)[1] for chunk in chunks]

    def _take_chunk(self) -> tuple[str, ...]:
        while self._parts:
            if part := self._parts.popleft():
                return part
        if not self._wanted:
            return ()
        going = {t for asked in self.pending.values() if asked.ask is Ask.DELETE for t in asked.tickers}
        chunk = tuple([ticker for ticker in self._wanted if ticker not in going][: self._limits.chunk])
        taken = set(chunk)
        self._wanted = [ticker for ticker in self._wanted if ticker not in taken]
        return chunk

    def _ask(self, ask: Ask, tickers: tuple[str, ...], now_s: float, sid: int | None = None) -> tuple[Asked, bytes]:
        command_id = self._next_id
        self._next_id += 1
        asked = self.pending[command_id] = Asked(ask, tickers, now_s)
        if ask in JOINING:
            self.members.update(tickers)
        if ask is Ask.SUBSCRIBE:
            return asked, wire.subscribe(command_id, tickers)
        sid = self.sid if sid is None else sid
        assert sid is not None, f"{ask} without a subscription"
        if ask is Ask.UNSUBSCRIBE:
            return asked, wire.unsubscribe(command_id, sid)
        return asked, wire.update(command_id, sid, ask.value, tickers)

    # -- answers -------------------------------------------------------------------------------------------------------

    def subscribed(self, sid: int, last: int = 0) -> None:
        """The venue streams to us, and `last` is the number of the message counted last."""
        # Nothing but the subscribe command is under way while it is unanswered, and this is its answer.
        self.pending.clear()
        self.sid = sid
        self.sequence.restart(last)
        if sid in self._past:
            self._past.remove(sid)
        self.step(Input.SUBSCRIBED)

    def is_past(self, sid: int) -> bool:
        """Whether this subscription was ours and is over."""
        return sid in self._past

    def is_streamed(self, ticker: str, command_id: int | None) -> bool:
        """Whether a snapshot of this market, in answer to `command_id`, is of a book that the venue streams to us.

        It also prints books that it does not stream; such a one would look live and stand still.
        """
        if ticker not in self.members:
            return False
        asked = None if command_id is None else self.pending.get(command_id)
        if command_id is None or (asked is not None and asked.ask in JOINING):
            return True
        if asked is not None:
            del self.pending[command_id]
            self.ease()
        return ticker not in self.joining()

    def take_unanswered(self, now_s: float) -> list[Asked]:
        """Commands that the venue left unanswered too long; they are forgotten."""
        if not self.pending:  # as at nearly every step
            return []
        late_s = now_s - self._limits.answer_s
        late = [command_id for command_id, asked in self.pending.items() if asked.sent_s < late_s]
        return [self.pending.pop(command_id) for command_id in late]

    def repeat(self, asked: Asked, tickers: Iterable[str], *, is_split: bool = False) -> None:
        """A command failed, but not for the sake of `tickers`: ask for them again, in two halves if `is_split`."""
        kept = tuple(tickers)
        if asked.ask in JOINING:
            self.members.difference_update(asked.tickers)
            half = (len(kept) + 1) // 2 if is_split else len(kept)
            self._parts += [part for part in (kept[:half], kept[half:]) if part]
            if asked.ask is Ask.SUBSCRIBE:
                self.step(Input.REFUSED)
        elif asked.ask is Ask.DELETE:
            self._unwanted += kept
        elif asked.ask is Ask.UNSUBSCRIBE:
            self._leaving = self._past[-1]

    # -- pace ----------------------------------------------------------------------------------------------------------

    def is_held(self, now_s: float) -> bool:
        """Nothing may be asked now."""
        return now_s < self._hold_until_s

    def hold(self, now_s: float) -> float:
        """The venue says that we ask too fast: say nothing until the time returned, each time in a row for twice as long."""
        pause_s = self._limits.pause_s * 2.0 ** min(self._holds_in_a_row, 30)
        self._holds_in_a_row += 1
        self._hold_until_s = now_s + min(pause_s, self._limits.pause_s_max)
        return self._hold_until_s

    def ease(self) -> None:
        """The venue did what we asked."""
        self._holds_in_a_row = 0

    def restart(self, tickers: Iterable[str], *, is_over: bool, now_s: float) -> bool:
        """Make the subscription anew on this connection, with `tickers`. False if that happened too often of late.

        `is_over`: the venue ended it; otherwise we unsubscribe first.
        """
        assert self.sid is not None
        self._past.append(self.sid)
        self._leaving = None if is_over else self.sid
        self.sid = None
        self.pending.clear()
        self.members.clear()
        self._unwanted.clear()
        self._parts.clear()
        self._wanted = list(tickers)
        self.step(Input.OVER if is_over else Input.LEAVE)
        return self._restart_later(now_s)

    def _restart_later(self, now_s: float) -> bool:
        while self._restarts_s and self._restarts_s[0] < now_s - self._limits.restarts_s:
            self._restarts_s.popleft()
        self._restarts_s.append(now_s)
        again = len(self._restarts_s)
        self._subscribe_due_s = now_s + (self._limits.restart_s_first * 2.0 ** (again - 2) if again > 1 else 0.0)
        return again <= self._limits.restarts_max
